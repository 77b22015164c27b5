"""What was asked of the daemon, in the words of the command that asks it. Pure."""

from collections.abc import Mapping
from typing import Any

COMMANDS = {
    "addKey": "vault key add",
    "rotateKey": "vault key rotate",
    "removeKey": "vault key remove",
    "setPolicy": "policy set",
    "setDefinition": "definition set",
    "setRetention": "retention set",
    "addHold": "hold add",
    "removeHold": "hold remove",
    "setNetworks": "network set",
    "clearNetworks": "network clear",
    "createStandby": "standby create",
    "setStandby": "standby resume",
    "removeStandby": "standby remove",
    "followStandby": "standby verify",
    "dropOrphan": "orphan drop",
    "cancelJob": "job cancel",
    "exportSeed": "seed export",
    "importSeed": "seed import",
    "scrub": "verify",
    "replicateGroup": "replicate",
    "restoreGroup": "restore",
    "failOver": "failover planned",
    "changePoint": "failover change-point",
    "cancelFailover": "failover cancel",
    "commitFailover": "failover commit",
    "startAgain": "failover start",
    "dropRun": "failover drop",
    "setIsolation": "isolation",
    "testFailover": "test-failover",
    "cleanUpDrill": "drill cleanup",
    "setChecks": "drill checks set",
    "clearChecks": "drill checks set",
    "createGroup": "group create",
    "removeGroup": "group remove",
    "setPlan": "plan set",
    "removePlan": "plan remove",
    "checkPlan": "plan check",
    "runPlan": "plan run",
    "confirmPlanStep": "plan confirm",
    "retryPlanStep": "plan retry",
    "skipPlanStep": "plan skip",
    "abortPlanRun": "plan abort",
}
"""By the API's operation, where that is not the command itself."""
_PARTS = ("machine", "name", "plan", "group", "instant", "job", "run", "key", "label")


def command_of(operation: str, data: Mapping[str, Any]) -> str:
    """`data`: what was said with it."""
    if operation == "failOver" and data.get("mode") == "unplanned":
        return "failover unplanned"
    if operation == "setStandby" and data.get("paused"):
        return "standby pause"
    return COMMANDS.get(operation, operation)


def whose(data: Mapping[str, Any]) -> str:
    """What it is about; empty: everything."""
    return next((str(data[part]) for part in _PARTS if part in data), "")
