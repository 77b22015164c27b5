# Words and measures shared by the scripts beside this one.

# Debian keeps mke2fs and its like where an ordinary user's PATH does not look.
export PATH="$PATH:/usr/sbin:/sbin"

say() { printf 'prepare: %s\n' "$*" >&2; }

die() {
    printf 'prepare: %s\n' "$1" >&2
    shift
    for line in "$@"; do printf '         %s\n' "$line" >&2; done
    exit 1
}

has() { command -v "$1" >/dev/null; }

# require_space DIRECTORY MIB WHAT-FOR
require_space() {
    local free
    free=$(df -Pm "$1" | awk 'NR == 2 { print $4 }')
    if [ "$free" -lt "$2" ]; then
        die "$3 needs $2 MiB free in $1, and there are $free MiB." "Free some space, or use a checkout on another disk."
    fi
}
