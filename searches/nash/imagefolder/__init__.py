"""Image folders as people have them, converted once to arrays on disk. Knows numpy and Pillow, no torch.

source     a listing of files that is safe to read from, and their bytes
archives   listings of zip and tar
layout     which files are training and test images of which class
decode     image files to arrays of one size; pool does that in parallel
arrays     the form on disk, published all or nothing
conversion all of it, in order
"""

from searches.nash.imagefolder.conversion import convert, write_digits
from searches.nash.imagefolder.digits import digits_arrays
from searches.nash.imagefolder.source import BadArchive
from searches.nash.imagefolder.splitting import stratified_split

__all__ = ["BadArchive", "convert", "digits_arrays", "stratified_split", "write_digits"]
