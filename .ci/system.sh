# Programs and headers that come from Debian packages: each is probed by what it provides, and installed only if that is missing.

missing=()

# want PACKAGE PROBE...: notes the package if the probe fails.
want() {
    local package=$1
    shift
    "$@" >/dev/null 2>&1 || missing+=("$package")
}

# The guest's programs are linked statically, since its initramfs holds no libraries.
links_statically() {
    local out
    out=$(mktemp) || return 1
    echo 'int main(void) { return 0; }' | gcc -x c -static -o "$out" -
    local result=$?
    rm -f "$out"
    return $result
}

# The kernels are tested over the system's libraries too.
loads() { "$python" -c 'import ctypes, sys; ctypes.CDLL(sys.argv[1])' "$1"; }

probe() {
    missing=()
    want gcc has gcc
    want libc6-dev links_statically
    if python_is_packaged; then
        want "python$python_series-venv" python_has_venv
        want "python$python_series-dev" python_has_headers
    elif ! python_has_venv 2>/dev/null || ! python_has_headers; then
        die "$python lacks ensurepip, venv or Python.h, and no Debian package provides them for it." \
            "Name a complete one: make PYTHON=/usr/bin/python3 ..."
    fi
    local part
    for part in "$@"; do
        case $part in
        guest)
            want qemu-system-x86 has qemu-system-x86_64
            want qemu-utils has qemu-img
            want e2fsprogs has mke2fs
            ;;
        tests)
            want qemu-utils has qemu-nbd
            want libnbd-bin has nbdinfo
            want libnbd-bin has nbdcopy
            want nbdkit has nbdkit
            want systemd has systemd-analyze
            want chromium has chromium
            want openssl has openssl
            want iproute2 has ip
            want genisoimage has isoinfo
            want liblz4-1 loads liblz4.so.1
            want libxxhash0 loads libxxhash.so.0
            want libsodium23 loads libsodium.so.23
            ;;
        bench)
            want restic has restic
            want borgbackup has borg
            want rsync has rsync
            ;;
        *) die "Unknown part: $part." ;;
        esac
    done
    if [ ${#missing[@]} -gt 0 ]; then
        readarray -t missing < <(printf '%s\n' "${missing[@]}" | sort -u)
    fi
}

install_missing_packages() {
    probe "$@"
    [ ${#missing[@]} -eq 0 ] && return
    local as_root=() install="apt-get install -y --no-install-recommends ${missing[*]}"
    has apt-get || die "Missing: ${missing[*]} (Debian's names)." "There is no apt-get here: install them by this system's own means, then run make again."
    if [ "$(id -u)" -ne 0 ]; then
        if has sudo && sudo -n true 2>/dev/null; then
            as_root=(sudo -n)
        elif has sudo; then
            die "Packages are missing, and installing them needs a password. Type this, then run make again:" \
                "sudo sh -c 'apt-get update && $install'"
        else
            die "Packages are missing, and installing them needs root. Type this, then run make again:" \
                "su -c 'apt-get update && $install'"
        fi
    fi
    require_space /usr 800 "Installing ${missing[*]}"
    say "installing ${missing[*]}"
    local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3)
    "${apt[@]}" update </dev/null || say "could not refresh every package list; going on with those that are there"
    "${apt[@]}" install -y --no-install-recommends -o Dpkg::Use-Pty=0 "${missing[@]}" </dev/null >.cache/apt.log 2>&1 9>&- || {
        tail -n 20 .cache/apt.log >&2
        die "Could not install ${missing[*]} (the whole log: .cache/apt.log)."
    }
    probe "$@"
    [ ${#missing[@]} -eq 0 ] || die "Installed, and still not usable: ${missing[*]}."
}
