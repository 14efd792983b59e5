"""Photos of grid managers and of cases, as they are stored."""

import io

from PIL import Image, ImageOps

from geo.errors import InputError, TooLargeError

MAX_PHOTO_BYTES, MAX_PHOTO_PIXELS = 5_000_000, 40_000_000

PHOTO_SIDE_PIXELS = 800
"""Longest side of a stored photo of a manager: the size that is printed."""

PHOTO_FORMATS = ("JPEG", "PNG", "WEBP")


def reencode_photo(photo: bytes, side_pixels: int = PHOTO_SIDE_PIXELS) -> bytes:
    """Re-encode a photo as a JPEG: upright, without metadata, its longest side limited.

    Raises
    ------
    InputError
        If it is not a readable picture in one of :data:`PHOTO_FORMATS`.
    TooLargeError
        If it has more than :data:`MAX_PHOTO_PIXELS`.
    """
    try:
        with Image.open(io.BytesIO(photo), formats=PHOTO_FORMATS) as picture:
            if picture.width * picture.height > MAX_PHOTO_PIXELS:
                raise TooLargeError("photo_pixels", most=MAX_PHOTO_PIXELS // 1_000_000)
            picture.draft("RGB", (side_pixels, side_pixels))
            upright = ImageOps.exif_transpose(picture).convert("RGB")
            upright.thumbnail((side_pixels, side_pixels))
            upright.info.clear()
            out = io.BytesIO()
            upright.save(out, "JPEG", quality=85)
            return out.getvalue()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        raise InputError("photo_unreadable", formats=", ".join(PHOTO_FORMATS)) from None
