"""A written dataset to what other trainers read: WebDataset, MDS, image folders."""

from prx_data.exports.run import FORMATS as FORMATS
from prx_data.exports.run import export as export
