"""From image folders, archives and csv files to batches.

    source.open_source -> Source of Samples -> split -> dataset.Dataset with a preprocessing.Preprocessing -> batches

`drawn.DrawnFaces` is a source that needs no files. Mistakes in the data are `errors.DataError`. The names are imported
from their modules, so that catching an error does not load OpenCV.
"""
