"""Pictures that stand in a table as text: `data:` URIs and base64."""

import re
from base64 import b64decode
from binascii import Error
from urllib.parse import unquote_to_bytes

from prx_data.sources.pictures import begins_like_a_picture

INLINE_COLUMNS = ("image_base64", "image_b64", "img_base64", "img_b64", "base64", "b64", "image_bytes", "img_bytes")
"""Columns that hold pictures as base64, whatever their case."""

_DATA_URI = re.compile(r"data:[^,]{0,200},", re.IGNORECASE)
_BASE64 = re.compile(r"[A-Za-z0-9+/_\s-]+={0,2}\s*")
_LONGER_THAN_NAMES = 256


def inline_picture(text: str) -> bytes | None:
    """The bytes of a `data:` URI, or of text that is a picture in base64; None if the text is a name.

    Raises:
        ValueError: It is a `data:` URI and its base64 is damaged.
    """
    head = _DATA_URI.match(text)
    if head is not None:
        data = text[head.end() :]
        return decoded(data) if head[0].lower().endswith(";base64,") else unquote_to_bytes(data)
    if len(text) < _LONGER_THAN_NAMES or not _BASE64.fullmatch(text):
        return None
    return decoded(text) if begins_like_a_picture(decoded(text[:64])) else None


def decoded(text: str) -> bytes:
    """Base64, of the ordinary alphabet or that of URLs, with or without its padding.

    Raises:
        ValueError: It is damaged.
    """
    packed = "".join(text.split()).rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return b64decode(packed + "=" * (-len(packed) % 4), validate=True)
    except Error as error:
        raise ValueError("its base64 is damaged") from error
