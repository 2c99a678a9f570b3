"""What the init container `mpiop-account` runs: ssh wants a name for every uid."""

from typing import Final

# The image's own accounts stay as they are; one is added where this uid has none.
ACCOUNT: Final = r"""
file=${MPIOP_RUN:-$default_run}/passwd
cat /etc/passwd >"$file" 2>/dev/null
id -un >/dev/null 2>&1 ||
  echo "mpi:x:$(id -u):$(id -g)::${HOME:-/}:/bin/sh" >>"$file"
"""
