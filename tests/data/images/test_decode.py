"""One file: what it becomes, by rules that can be checked by hand; and what is refused, by its name."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from danlu.core.errors import DataError
from danlu.data.images.decode import Form, Look, OtherForm, Tally, decode, look
from danlu.data.images.sizes import Resize


def packed(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def decoded(data: bytes, channels: int = 1, height: int = 2, width: int = 2, **options: object) -> np.ndarray:
    return decode(data, "a.png", Form(channels, height, width, **options), Tally())


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, depth: int, kind: int, raw: bytes) -> bytes:
    """Return a PNG made by hand from lines with their filter bytes."""
    head = struct.pack(">II5B", width, height, depth, kind, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")


PIXELS = np.array([[0, 50], [100, 255]], dtype=np.uint8)


@pytest.mark.parametrize("kind", ["PNG", "BMP"])
def test_grey_files_give_their_pixels(kind: str) -> None:
    assert decoded(packed(Image.fromarray(PIXELS), kind)).tolist() == [PIXELS.tolist()]


def test_colour_files_give_a_channel_for_each_colour() -> None:
    pixels_HWK = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    for kind in ("PNG", "BMP"):
        found = decoded(packed(Image.fromarray(pixels_HWK), kind), 3)
        assert np.array_equal(found, pixels_HWK.transpose(2, 0, 1))


def test_grey_becomes_colour_by_repeating_and_colour_grey_by_the_shares_of_itu_601() -> None:
    tally = Tally()
    found = decode(packed(Image.fromarray(PIXELS)), "g.png", Form(3, 2, 2), tally)
    assert np.array_equal(found, np.stack([PIXELS] * 3))
    red = packed(Image.new("RGB", (2, 2), (255, 0, 0)))
    assert (decode(red, "r.png", Form(1, 2, 2), tally, to_grey=True) == round(255 * 0.299)).all()
    assert tally.counts == {"grey to colour": 1, "made grey": 1}
    assert tally.first == {"grey to colour": "g.png", "made grey": "r.png"}


def test_colours_where_grey_was_expected_are_reported_to_the_caller() -> None:
    with pytest.raises(OtherForm) as caught:
        decoded(packed(Image.new("RGB", (2, 2), (9, 9, 9))))
    assert caught.value.look == Look(2, 2, colour=True)


def test_black_and_white_is_0_and_255() -> None:
    image = Image.fromarray(PIXELS).point(lambda value: 255 * (value > 60), "1")
    assert decoded(packed(image)).tolist() == [[[0, 0], [255, 255]]]


@pytest.mark.parametrize("kind", ["PNG", "BMP"])
def test_a_palette_becomes_its_colours_and_a_grey_one_stays_grey(kind: str) -> None:
    image = Image.new("P", (2, 1))
    image.putdata([0, 1])
    image.putpalette([10, 20, 30, 40, 50, 60])
    data = packed(image, kind)
    assert look(data, "p").colour
    assert decoded(data, 3, 1, 2)[:, 0].T.tolist() == [[10, 20, 30], [40, 50, 60]]
    image.putpalette([7, 7, 7, 200, 200, 200])
    data = packed(image, kind)
    assert not look(data, "p").colour
    assert decoded(data, 1, 1, 2).tolist() == [[[7, 200]]]


def test_what_is_transparent_lies_on_white() -> None:
    image = Image.new("RGBA", (3, 1))
    image.putdata([(10, 20, 30, 255), (10, 20, 30, 0), (0, 100, 200, 51)])
    tally = Tally()
    found = decode(packed(image), "t.png", Form(3, 1, 3), tally)[:, 0].T
    # A fifth of the colour and four fifths of white.
    expected = [[10, 20, 30], [255, 255, 255], [204, 224, 244]]
    assert np.abs(found.astype(int) - expected).max() <= 1
    assert tally.counts["transparent"] == 1
    grey = Image.new("LA", (2, 1))
    grey.putdata([(80, 255), (80, 0)])
    assert decoded(packed(grey), 1, 1, 2).tolist() == [[[80, 255]]]


def test_a_colour_named_as_transparent_lies_on_white() -> None:
    image = Image.fromarray(PIXELS)
    assert decoded(packed(image, transparency=100)).tolist() == [[[0, 50], [255, 255]]]


def test_a_photo_is_turned_as_the_camera_was_held() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera's top is at the right of the picture
    data = packed(Image.fromarray(np.array([[10, 20, 30], [40, 50, 60]], np.uint8)), exif=exif)
    assert look(data, "t") == Look(3, 2, colour=False)
    assert decoded(data, 1, 3, 2).tolist() == [[[40, 10], [50, 20], [60, 30]]]


def test_resizing_a_photo_while_decoding_gives_nearly_what_resizing_it_whole_gives() -> None:
    wave = (127 + 100 * np.sin(np.arange(640) / 60)).astype(np.uint8)
    image = Image.fromarray(np.repeat(wave[None], 480, axis=0))
    data = packed(image, "JPEG", quality=95)
    found = decoded(data, 1, 24, 32, resize=Resize(32, 24))[0]
    whole = np.asarray(image.resize((32, 24), Image.Resampling.BILINEAR))
    assert np.abs(found.astype(int) - whole).max() <= 4


def test_cmyk_becomes_red_green_blue() -> None:
    tally = Tally()
    data = packed(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG", quality=100)
    found = decode(data, "c.jpg", Form(3, 8, 8), tally)
    assert np.abs(found[:, 4, 4].astype(int) - [255, 0, 0]).max() <= 3
    assert tally.counts["cmyk"] == 1


def test_another_format_than_the_ending_says_is_read_and_counted() -> None:
    tally = Tally()
    found = decode(packed(Image.fromarray(PIXELS), "BMP"), "a.png", Form(1, 2, 2), tally)
    assert np.array_equal(found[0], PIXELS)
    assert tally.counts == {"other ending": 1}


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP"])
def test_truncated_files_are_refused_wherever_they_end(kind: str, refused, grey) -> None:
    data = packed(Image.fromarray(grey(40, 40)), kind)
    for length in (1, 10, 40, len(data) // 2, len(data) - (13 if kind == "PNG" else 1 if kind == "BMP" else 60)):
        refused(lambda length=length: decode(data[:length], "cut.png", Form(1, 40, 40), Tally()), "cut.png")


def test_damaged_bytes_are_refused_or_decoded_but_never_raise_anything_else(grey) -> None:
    random = np.random.default_rng(3)
    for kind in ("PNG", "JPEG", "BMP"):
        data = packed(Image.fromarray(grey(20, 20)), kind)
        for _ in range(150):
            damaged = bytearray(data)
            for place in random.integers(0, len(data), 3):
                damaged[place] = random.integers(0, 256)
            try:
                found = decode(bytes(damaged), "x", Form(1, 20, 20, Resize(20, 20)), Tally(), to_grey=True)
            except DataError:
                continue
            assert found.shape == (1, 20, 20)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"hello, this is text", "no such image"),
        (b"<html><body>404</body></html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
    ],
)
def test_what_is_no_image_is_refused_and_said(content: bytes, words: str, refused) -> None:
    refused(lambda: look(content, "cat.png"), "cat.png", words)


@pytest.mark.parametrize(("kind", "words"), [("GIF", "GIF"), ("TIFF", "TIFF"), ("WEBP", "WebP")])
def test_other_formats_are_refused_whatever_the_ending_says(kind: str, words: str, refused) -> None:
    try:
        data = packed(Image.fromarray(PIXELS), kind)
    except KeyError:
        pytest.skip(f"this Pillow cannot write {kind}")
    refused(lambda: look(data, "cat.png"), "cat.png", words)


def test_16_bits_a_channel_are_refused(refused) -> None:
    refused(lambda: look(packed(Image.new("I;16", (2, 2))), "deep.png"), "deep.png", "16 bits")
    # Pillow reads colours of 16 bits as 8 without a word.
    deep = png(1, 1, 16, 2, b"\0" + bytes(6))
    assert Image.open(io.BytesIO(deep)).mode == "RGB"
    refused(lambda: look(deep, "deep.png"), "deep.png", "16 bits")


def test_animated_images_are_refused(refused) -> None:
    frames = [Image.new("L", (4, 4), value) for value in (0, 99)]
    data = packed(frames[0], save_all=True, append_images=frames[1:])
    refused(lambda: look(data, "film.png"), "film.png", "animated", "2")


def test_a_pixel_bomb_is_refused_before_it_unpacks(refused) -> None:
    for width, height in ((8193, 8192), (30_000, 30_000), (2**31 - 1, 2**31 - 1)):
        refused(lambda w=width, h=height: look(png(w, h, 8, 0, b""), "bomb.png"), "bomb.png")
