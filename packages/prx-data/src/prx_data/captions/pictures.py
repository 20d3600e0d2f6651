"""What a model is shown of a photo."""

import base64

from prx_data.decoding import decode, encode_jpeg
from prx_data.picture import Pixels


def shown(content: bytes, side: int) -> Pixels | None:
    """The picture with a longer side of at most `side` pixels, uint8 RGB; None if it cannot be decoded any more."""
    picture = decode(content, at_least=side).picture
    return None if picture is None else picture.at(side)


def data_url(content: bytes, side: int) -> str | None:
    """As `shown`, a JPEG in a `data:` URL."""
    pixels = shown(content, side)
    return None if pixels is None else "data:image/jpeg;base64," + base64.b64encode(encode_jpeg(pixels)).decode()
