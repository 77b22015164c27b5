"""May this process append that now? Decided from the log's state alone, before every attempt and after every lost one."""

from dataclasses import dataclass

from understudy.errors import AccessDenied, Conflict, Fenced, SecondWriter
from understudy.vault import kinds
from understudy.vault.keys.identity import Role
from understudy.vault.kinds import Body
from understudy.vault.log.rights import Log, refusal
from understudy.vault.log.state import MachineState


@dataclass(frozen=True, slots=True)
class Writer:
    """One run of one process. `claimed`: the epoch that it claimed, or None; `site`: for which site."""

    id: bytes
    role: Role
    claimed: int | None = None
    site: str = ""


def check(state: MachineState, body: Body, writer: Writer) -> None:
    """Returns if `body` would count now. Else `AccessDenied`, `Fenced`, `SecondWriter` or `Conflict`."""
    reason = refusal(body.kind, Log.MACHINE, writer.role)
    if reason:
        raise AccessDenied(reason, hint="do this on a site that has an operator key")
    if not state.epoch and not isinstance(body, kinds.Protect):
        raise Conflict("nothing that counts has ever opened this machine's log")
    match body:
        case kinds.Protect():
            if state.epoch:
                raise Conflict(f"the machine {state.name!r} is protected already")
        case kinds.Failover(epoch=epoch):
            if epoch != state.epoch + 1:
                raise Fenced(f"machine {state.name!r} is in epoch {state.epoch} at site {state.site!r}: another failover was first")
        case kinds.Commit(epoch=epoch) if epoch != state.epoch:
            raise Fenced(f"machine {state.name!r} is in epoch {state.epoch} at site {state.site!r}: another failover was first")
        case kinds.Point() | kinds.Checkpoint() | kinds.Definition() | kinds.Intent() | kinds.Isolation():
            _must_be_primary(state, body, writer)


def check_claim(state: MachineState, role: Role, site: str, *, epoch: int, adopt: bool) -> None:
    """`epoch` is the one that the caller has seen when it decided to claim."""
    if state.epoch != epoch:
        raise Fenced(_superseded(state))
    if state.epoch > 1 and site != state.site and not (adopt and role == "operator"):
        raise Fenced(_superseded(state), hint=f"do not start this VM here; if {site!r} shall be its primary again, fail it over")


def _must_be_primary(state: MachineState, body: Body, writer: Writer) -> None:
    if writer.claimed is None:
        if isinstance(body, (kinds.Point, kinds.Intent)) or writer.role == "source":
            raise Conflict(f"a {body.kind} needs a claim of this machine's log first")
        return
    if state.epoch != writer.claimed:
        raise Fenced(_superseded(state), hint="this site's copy is superseded: stop its VM; reprotect can save what it wrote since")
    if state.writer != writer.id:
        claim = state.claims[-1]
        raise SecondWriter(
            f"another process claimed machine {state.name!r} in record {claim.seq}, for site {claim.site!r}",
            hint="two processes replicate the same machine; stop one of them",
        )


def _superseded(state: MachineState) -> str:
    return f"machine {state.name!r} is in epoch {state.epoch}: site {state.site!r} is its primary now"
