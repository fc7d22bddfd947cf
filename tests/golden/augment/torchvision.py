"""What torchvision makes of small inputs: python3 torchvision.py > torchvision.txt (Debian's python3-torchvision, 0.14).

roi: top, bottom, left, right (shares of a label map [2, 5, 7] of scores, map() below), rows, columns, then the averages
[2, rows, columns]: roi_align as the token labels of Jiang et al. (2021) are cut out.
centre: side, fraction, filter, channels, then the input [channels, side, side]: Resize(side / fraction), CenterCrop(side),
ToTensor, Normalize of the image of pillow.py."""
import sys

FOLDER = sys.path.pop(0)  # where this file is, which is not the library
import torch
from torchvision.ops import roi_align
from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Normalize, Resize, ToTensor

sys.path.append(FOLDER)
import pillow

HEIGHT, WIDTH = 5, 7
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def numbers(tensor):
    return " ".join(f"{value:.9g}" for value in tensor.flatten().tolist())


def label_map():
    return torch.tensor([[[((c * 5 + y * 7 + x * 3) % 11) / 4 for x in range(WIDTH)] for y in range(HEIGHT)]
                         for c in range(2)], dtype=torch.float32)


for box in ((0, 1, 0, 1), (0.1, 0.83, 0.25, 0.9), (0.4, 0.5, 0.6, 0.65), (-0.2, 0.8, 0.3, 1.3)):
    for rows, columns in ((2, 2), (3, 4), (1, 9)):
        top, bottom, left, right = box
        place = torch.tensor([[0, left * WIDTH - 0.5, top * HEIGHT - 0.5, right * WIDTH - 0.5, bottom * HEIGHT - 0.5]])
        print("roi", *box, rows, columns, numbers(roi_align(label_map()[None], place, (rows, columns))))

for side, fraction, name in ((6, 0.75, "bilinear"), (6, 0.75, "bicubic"), (12, 1, "bicubic"), (11, 1, "bilinear")):
    for channels in (1, 3):
        transform = Compose([Resize(int(side / fraction), InterpolationMode(name)), CenterCrop(side), ToTensor(),
                             Normalize(MEAN[:channels], DEVIATION[:channels])])
        print("centre", side, fraction, name, channels, numbers(transform(pillow.image(channels))))
