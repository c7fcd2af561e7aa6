"""A reader for the HDF5 files that Keras writes, in Python alone: a damaged file can raise an error and nothing else.

Keras writes through h5py, whose default is HDF5's classic layout: superblock 0, object headers of version 1, groups as
symbol tables, datasets in one piece. That is what is read here, after the HDF5 File Format Specification
(https://docs.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html). Everything else that HDF5 can do (links to other
files, virtual and external data, filters, references) is refused by name, before anything is followed.
"""

from scratchnet.formats.hdf5.objects import Dataset, Group, open_hdf5
from scratchnet.formats.hdf5.source import SIGNATURE, Hdf5Error, Source

__all__ = ["SIGNATURE", "Dataset", "Group", "Hdf5Error", "Source", "open_hdf5"]
