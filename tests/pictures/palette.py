"""Pictures of pages as PNG with 256 colours: a third of the bytes, and nothing that anybody would see."""

import base64
import struct
import zlib
from typing import Final

from playwright.async_api import Browser

_COLOURS: Final = 256

_COUNT: Final = """async ([url, most]) => {
  const image = await createImageBitmap(await (await fetch(url)).blob());
  const canvas = new OffscreenCanvas(image.width, image.height).getContext("2d");
  canvas.drawImage(image, 0, 0);
  const bytes = canvas.getImageData(0, 0, image.width, image.height).data;
  const pixels = Array.from({length: bytes.length / 4}, (_, n) =>
    bytes[4 * n] << 16 | bytes[4 * n + 1] << 8 | bytes[4 * n + 2]);
  const counts = new Map();
  for (const one of pixels) counts.set(one, (counts.get(one) || 0) + 1);
  const colours = [...counts].sort((a, b) => b[1] - a[1]).slice(0, most).map(([colour]) => colour);
  const part = (colour, by) => colour >> by & 255;
  const apart = (a, b) => [16, 8, 0].reduce((sum, by) => sum + (part(a, by) - part(b, by)) ** 2, 0);
  const places = new Map(colours.map((colour, place) => [colour, place]));
  for (const one of counts.keys()) {
    if (places.has(one)) continue;
    let nearest = 0;
    for (let n = 1; n < colours.length; n++) {
      if (apart(one, colours[n]) < apart(one, colours[nearest])) nearest = n;
    }
    places.set(one, nearest);
  }
  let text = "";
  for (const one of pixels) text += String.fromCharCode(places.get(one));
  return {width: image.width, height: image.height, colours, places: btoa(text)};
}"""


async def with_few_colours(browser: Browser, png: bytes) -> bytes:
    """Write a picture anew with its commonest colours, and the nearest of them for all others."""
    page = await browser.new_page()
    url = f"data:image/png;base64,{base64.b64encode(png).decode()}"
    found = await page.evaluate(_COUNT, [url, _COLOURS])
    await page.close()
    width, height, places = found["width"], found["height"], base64.b64decode(found["places"])
    # Each line begins with its filter: none, since neighbours in a palette need not be alike.
    lines = b"".join(b"\0" + places[row * width : (row + 1) * width] for row in range(height))
    palette = b"".join(colour.to_bytes(3, "big") for colour in found["colours"])
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    parts = ((b"IHDR", header), (b"PLTE", palette), (b"IDAT", zlib.compress(lines, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_part(name, body) for name, body in parts)


def _part(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
