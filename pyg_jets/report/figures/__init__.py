"""One file a kind of figure; each draws on a matplotlib ``Figure`` that it is given."""
