"""Reference operators on whole arrays, as they are defined; the tiled executor never calls them."""

from accelsim.execute.kernels.table import KERNELS, Kernel, compute

__all__ = ["KERNELS", "Kernel", "compute"]
