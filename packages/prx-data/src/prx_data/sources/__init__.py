"""Where photos come from: folders, manifests, datasets and tars, local or remote, to one kind of record."""

from prx_data.sources.found import NOTHING as NOTHING
from prx_data.sources.found import Earlier as Earlier
from prx_data.sources.found import Findings as Findings
from prx_data.sources.found import Source as Source
from prx_data.sources.recognise import Photos as Photos
from prx_data.sources.recognise import open_source as open_source
from prx_data.sources.recognise import source_name as source_name
