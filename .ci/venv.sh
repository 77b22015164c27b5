# .venv: made anew when its interpreter or place changes, its packages when the project's metadata does, the kernels when they do.

digest_of() { cat "$@" | sha256sum | cut -d' ' -f1; }

# up_to_date STAMP VALUE
up_to_date() { [ -f "$1" ] && [ "$(cat "$1")" = "$2" ]; }

# run_quietly LOG WHAT COMMAND...: the log is shown only where the command fails.
run_quietly() {
    local log=$1 what=$2
    shift 2
    say "$what"
    "$@" >"$log" 2>&1 </dev/null 9>&- || {
        tail -n 30 "$log" >&2
        die "Failed: $what (the whole log: $log)."
    }
}

kernels_are_built() {
    local source
    for source in native/*.pyx; do
        [ -e "$source" ] || return 0
        compgen -G "src/understudy/native/$(basename "$source" .pyx).*.so" >/dev/null || return 1
    done
    compgen -G "src/understudy/native/views.*.so" >/dev/null
}

prepare_venv() {
    export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1
    # Scripts in a virtual environment name its path, so a moved checkout needs a new one.
    local interpreter="$python $python_version $PWD"
    if ! up_to_date .venv/.interpreter "$interpreter" || ! .venv/bin/python -c '' 2>/dev/null; then
        require_space . 1500 "Building understudy"
        rm -rf .venv
        run_quietly .cache/venv.log "making .venv from $python ($python_version)" "$python" -m venv .venv
        echo "$interpreter" >.venv/.interpreter
    fi

    local requirements metadata building=
    metadata=$(digest_of pyproject.toml setup.py)
    if ! up_to_date .venv/.dependencies "$metadata"; then
        # Without isolation the build sees the very numpy and Cython that it will run with, and nothing is fetched that is there.
        readarray -t requirements < <(.venv/bin/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")')
        run_quietly .cache/pip.log "installing what the build needs" .venv/bin/python -m pip install "${requirements[@]}"
        # The compiler works while pip waits for the network.
        build_kernels &
        building=$!
        run_quietly .cache/pip.log "installing understudy and its dependencies" \
            env UNDERSTUDY_WITHOUT_KERNELS=1 .venv/bin/python -m pip install --no-build-isolation -e '.[dev]'
        wait "$building"
        echo "$metadata" >.venv/.dependencies
    fi
    build_kernels
}

# What only the benchmarks' report needs.
prepare_plots() {
    local requirements metadata
    metadata=$(digest_of pyproject.toml .venv/.interpreter)
    if ! up_to_date .venv/.plots "$metadata"; then
        readarray -t requirements < <(.venv/bin/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["bench"], sep="\n")')
        run_quietly .cache/pip.log "installing what draws the plots" .venv/bin/python -m pip install "${requirements[@]}"
        echo "$metadata" >.venv/.plots
    fi
}

build_kernels() {
    local kernels
    kernels=$(find native src/understudy/native -type f \( -name '*.pyx' -o -name '*.pxd' -o -name '*.pxi' -o -name '*.h' \) | LC_ALL=C sort | xargs -r sha256sum | cat - setup.py .venv/.interpreter | sha256sum)
    if ! up_to_date .venv/.kernels "$kernels" || ! kernels_are_built; then
        run_quietly .cache/kernels.log "building the native kernels" .venv/bin/python setup.py -q build_ext --inplace -j "$(nproc)"
        echo "$kernels" >.venv/.kernels
    fi
}
