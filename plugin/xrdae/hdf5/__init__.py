"""Arrays and attributes of a netCDF4 file, read from its bytes, without the HDF5 library.

The library follows links and data into any other file, unpacks whatever was packed, and does not
come back from some damaged files (`xrdae.integrity`). Here are only those parts of HDF5
(https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html, the sections named below) in
which the netCDF library writes numbers, texts and groups; whatever else is there is refused. Each
structure is taken for what it says only within the file, and all that is read is never more
than the file has.
"""
