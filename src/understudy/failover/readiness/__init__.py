"""Could this machine be started here now? Told before anybody needs it."""
