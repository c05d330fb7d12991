#!/bin/sh
# The edgeproof command of the checkout whose .venv/bin this file is in; a link to it works, too.
self=$0
[ ! -L "$self" ] || self=$(readlink -f "$self")
root=$(cd "$(dirname "$self")/../.." && pwd) || exit 2
python=$root/.venv/bin/python
case $(readlink "$python") in
  */.venv/*) echo "error: $python is that of another checkout; remove $root/.venv and run make there" >&2; exit 2 ;;
esac
if [ ! -f "$root/scripts/edgeproof/__main__.py" ] || [ ! -x "$python" ]; then
  echo "error: $root is no checkout with a .venv that runs; run make in it" >&2
  exit 2
fi
unset PYTHONHOME
PYTHONPATH=$root/scripts PYTHONNOUSERSITE=1 exec "$python" -m edgeproof "$@"
