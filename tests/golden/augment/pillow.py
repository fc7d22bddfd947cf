"""What Pillow makes of a small image: python3 pillow.py > pillow.txt (Debian's python3-pil, 9.4).

A line is a case: operation, channels, number, filter, height and width of the result, its bytes in hex. The image is
image() below; unit/runtime_augment_operations.c makes the same one and knows the operations by name."""
import math

from PIL import Image, ImageEnhance, ImageOps

HEIGHT, WIDTH, FILL = 13, 11, (124, 116, 104)
FILTERS = {"bilinear": Image.BILINEAR, "bicubic": Image.BICUBIC}


def image(channels):
    data = bytes(40 + (x * 17 + y * 31 + c * 67 + x * y * (c + 3)) % 176
                 for y in range(HEIGHT) for x in range(WIDTH) for c in range(channels))
    return Image.frombytes("RGB" if channels == 3 else "L", (WIDTH, HEIGHT), data)


def solarize_add(source, add):
    return source.point([min(255, i + add) if i < 128 else i for i in range(256)] * len(source.getbands()))


def affine(source, matrix, filter_name):
    fill = FILL if source.mode == "RGB" else FILL[0]
    return source.transform(source.size, Image.AFFINE, matrix, resample=FILTERS[filter_name], fillcolor=fill)


def rotate(source, degrees, filter_name):
    fill = FILL if source.mode == "RGB" else FILL[0]
    return source.rotate(degrees, resample=FILTERS[filter_name], fillcolor=fill)


# Of images (height, width) where a box (left, top, right, bottom) is cut out first.
RESIZES = {
    1: (None, (7, 5)), 2: (None, (20, 17)), 3: ((2, 3, 9, 12), (5, 6)), 4: ((2, 3, 9, 12), (16, 16)),
    5: (None, (13, 6)), 6: (None, (4, 11)), 7: ((0, 0, 11, 2), (3, 3)),
}


def resize(source, number, filter_name):
    box, (height, width) = RESIZES[number]
    return (source.crop(box) if box else source).resize((width, height), FILTERS[filter_name])


OPERATIONS = {
    "flip": (lambda s, v, f: ImageOps.mirror(s), [0]),
    "autocontrast": (lambda s, v, f: ImageOps.autocontrast(s), [0]),
    "equalize": (lambda s, v, f: ImageOps.equalize(s), [0]),
    "invert": (lambda s, v, f: ImageOps.invert(s), [0]),
    "posterize": (lambda s, v, f: ImageOps.posterize(s, v), [1, 3]),
    "solarize": (lambda s, v, f: ImageOps.solarize(s, v), [100]),
    "solarize_add": (lambda s, v, f: solarize_add(s, v), [60]),
    "color": (lambda s, v, f: ImageEnhance.Color(s).enhance(v), [0.3, 1.8]),
    "contrast": (lambda s, v, f: ImageEnhance.Contrast(s).enhance(v), [0.3, 1.8]),
    "brightness": (lambda s, v, f: ImageEnhance.Brightness(s).enhance(v), [0.3, 1.8]),
    "sharpness": (lambda s, v, f: ImageEnhance.Sharpness(s).enhance(v), [0.3, 1.8]),
    "rotate": (rotate, [25, -9.5]),
    "shear_x": (lambda s, v, f: affine(s, (1, v, 0, 0, 1, 0), f), [0.25]),
    "shear_y": (lambda s, v, f: affine(s, (1, 0, 0, v, 1, 0), f), [-0.2]),
    "translate_x": (lambda s, v, f: affine(s, (1, 0, v, 0, 1, 0), f), [3.3]),
    "translate_y": (lambda s, v, f: affine(s, (1, 0, 0, 0, 1, v), f), [-2.6]),
    "resize": (resize, sorted(RESIZES)),
}
MOVES = ("rotate", "shear_x", "shear_y", "translate_x", "translate_y", "resize")


def main():
    for name, (operation, values) in OPERATIONS.items():
        for channels in (1, 3):
            for value in values:
                for filter_name in FILTERS if name in MOVES else ["bilinear"]:
                    result = operation(image(channels), value, filter_name)
                    assert math.prod(result.size) * channels == len(result.tobytes())
                    print(name, channels, value, filter_name, result.height, result.width, result.tobytes().hex())


if __name__ == "__main__":
    main()
