"""The published files of every data set: size, SHA-256 and addresses.

Sizes and checksums are those of tensorflow_datasets 4.9.10 (url_checksums/, datasets/*/checksums.tsv), second addresses
those of torchvision 0.29. Files that nobody published a checksum for have size 0.
"""

from subtuning.tasks.vtab.files import Archive

_OXFORD = "https://www.robots.ox.ac.uk/~vgg/data"
_NORB = "https://cs.nyu.edu/~ylclab/data/norb-v1.0-small"
_KITTI = "https://s3.eu-central-1.amazonaws.com/avg-kitti"
_PCAM = "https://zenodo.org/record/2546921/files"


def _norb(part: str, kind: str, size: int, sha256: str) -> Archive:
    stem = f"smallnorb-{'5x46789' if part == 'training' else '5x01235'}x9x18x6x2x96x96-{part}-{kind}.mat"
    return Archive(f"{stem}.gz", size, sha256, (f"{_NORB}/{stem}.gz",), stem)


def _pcam(name: str, size: int, sha256: str) -> Archive:
    stem = f"camelyonpatch_level_2_split_{name}.h5"
    return Archive(f"{stem}.gz", size, sha256, (f"{_PCAM}/{stem}.gz",), stem)


def _kitti(file: str, size: int, sha256: str, unpacked: str) -> Archive:
    return Archive(file, size, sha256, (f"{_KITTI}/{file}",), unpacked)


def _flowers(file: str, size: int, sha256: str, unpacked: str = "") -> Archive:
    return Archive(file, size, sha256, (f"{_OXFORD}/flowers/102/{file}",), unpacked)


def _pets(file: str, size: int, sha256: str, unpacked: str) -> Archive:
    urls = (f"https://thor.robots.ox.ac.uk/~vgg/data/pets/{file}", f"{_OXFORD}/pets/data/{file}")
    return Archive(file, size, sha256, urls, unpacked)


def _svhn(file: str, size: int, sha256: str) -> Archive:
    return Archive(file, size, sha256, (f"http://ufldl.stanford.edu/housenumbers/{file}",))


CIFAR100 = (
    Archive(
        "cifar-100-binary.tar.gz",
        168_513_733,
        "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
        ("https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",),
        "cifar-100-python.tar.gz",
    ),
)
CALTECH101 = (
    Archive(
        "caltech-101.zip",
        137_414_764,
        "331234750fc7f77520e50d9565e8b6907b03565e30320da1401130db08c61f91",
        ("https://data.caltech.edu/records/mzrjq-6wc02/files/caltech-101.zip?download=1",),
        "101_ObjectCategories",
    ),
)
DTD = (
    Archive(
        "dtd-r1.0.1.tar.gz",
        625_239_812,
        "e42855a52a4950a3b59612834602aa253914755c95b0cff9ead6d07395f8e205",
        (f"{_OXFORD}/dtd/download/dtd-r1.0.1.tar.gz",),
        "dtd",
    ),
)
FLOWERS = (
    _flowers("102flowers.tgz", 344_862_509, "2d01ecc807db462958cfe3d92f57a8c252b4abd240eb955770201e45f783b246", "jpg"),
    _flowers("imagelabels.mat", 502, "4903e94206bac23bf772aadf06451916df56b58fc483a62db32a97b82656651d"),
    _flowers("setid.mat", 14_989, "46b8678f91fd95d3c8f4feab80d271a6c834a1dd896fe29fd3e6ad9ce5c8dccd"),
)
PETS = (
    _pets("images.tar.gz", 791_918_971, "67195c5e1c01f1ab5f9b6a5d22b8c27a580d896ece458917e61d459337fa318d", "images"),
    _pets(
        "annotations.tar.gz",
        19_173_078,
        "52425fb6de5c424942b7626b428656fcbd798db970a937df61750c0f1d358e91",
        "annotations",
    ),
)
SVHN = (
    _svhn("train_32x32.mat", 182_040_794, "435e94d69a87fde4fd4d7f3dd208dfc32cb6ae8af2240d066de1df7508d083b8"),
    _svhn("test_32x32.mat", 64_275_384, "cdce80dfb2a2c4c6160906d0bd7c68ec5a99d7ca4831afa54f09182025b6a75b"),
)
SUN397 = (
    Archive(
        "SUN397.tar.gz",
        39_077_296_924,
        "f404130965a7ad77bed5ececc71e720ab50f3cc1e1bb257257610d38f3b928ec",
        ("https://vision.princeton.edu/projects/2010/SUN/SUN397.tar.gz",),
        "SUN397",
    ),
)
PCAM = (
    _pcam("train_x", 6_421_353_462, "d619e741468a7ab35c7e4a75e6821b7e7e6c9411705d45708f2a0efc8960656c"),
    _pcam("train_y", 21_378, "b74126d2c01b20d3661f9b46765d29cf4e4fba6faba29c8e0d09d406331ab75a"),
    _pcam("valid_x", 805_965_320, "f82ee1670d027b4ec388048d9eabc2186b77c009655dae76d624c0ecb053ccb2"),
    _pcam("valid_y", 3_038, "ce1ae30f08feb468447971cfd0472e7becd0ad96d877c64120c72571439ae48c"),
    _pcam("test_x", 800_875_929, "79174c2201ad521602a5888be8f36ee10875f37403dd3f2086caf2182ef87245"),
    _pcam("test_y", 3_040, "0a522005fccc8bbd04c5a117bfaf81d8da2676f03a29d7499f71d0a0bd6068ef"),
)
EUROSAT = (
    Archive(
        "EuroSAT.zip",
        94_280_567,
        "8ebea626349354c5328b142b96d0430e647051f26efc2dc974c843f25ecf70bd",
        (
            "https://huggingface.co/datasets/torchgeo/eurosat/resolve/"
            "c877bcd43f099cd0196738f714544e355477f3fd/EuroSAT.zip",
            "http://madm.dfki.de/files/sentinel/EuroSAT.zip",
        ),
        "2750",
    ),
)
RESISC45 = (Archive("NWPU-RESISC45", 0, "", (), "NWPU-RESISC45"),)
RETINOPATHY = (
    Archive("trainLabels.csv", 0, "", ()),
    Archive("train", 0, "", (), "train"),
    Archive("test", 0, "", (), "test"),
    Archive(
        "retinopathy_solution.csv",
        1_181_257,
        "a6af3d66804e81887da89b9261bcfb7da4f5bacedb070f1b5db83fa879ab60c9",
        ("https://storage.googleapis.com/kaggle-forum-message-attachments/90528/2877/retinopathy_solution.csv",),
    ),
)
CLEVR = (
    Archive(
        "CLEVR_v1.0.zip",
        19_021_600_724,
        "5cd61cf1096ed20944df93c9adb31e74d189b8459a94f54ba00090e5c59936d1",
        ("https://dl.fbaipublicfiles.com/clevr/CLEVR_v1.0.zip",),
        "CLEVR_v1.0",
    ),
)
DMLAB = (
    Archive(
        "dmlab.tar.gz",
        3_017_022_789,
        "638b18fa69a5d61bbc310cd0b87ac603a39f41de0fdb07b6e77de274a24480a4",
        ("https://storage.googleapis.com/dmlab-vtab/dmlab.tar.gz",),
        "dmlab",
    ),
)
KITTI = (
    _kitti(
        "data_object_image_2.zip",
        12_569_945_557,
        "351c5a2aa0cd9238b50174a3a62b846bc5855da256b82a196431d60ff8d43617",
        "training",
    ),
    _kitti(
        "data_object_label_2.zip",
        5_601_213,
        "4efc76220d867e1c31bb980bbf8cbc02599f02a9cb4350effa98dbb04aaed880",
        "training",
    ),
    _kitti("devkit_object.zip", 63_794, "ce0b76b69c0c5f89690a0d65b7302bbbdb962a0c7e8aba6efc7050d1b04b4cf1", "mapping"),
)
DSPRITES = (
    Archive(
        "dsprites_ndarray_co1sh3sc6or40x32y32_64x64.hdf5",
        28_024_106,
        "729fa22e884c9c500e1f17415d580746b4c5894fbbb780a1319bbcfa39a745bb",
        (
            "https://github.com/deepmind/dsprites-dataset/blob/master/"
            "dsprites_ndarray_co1sh3sc6or40x32y32_64x64.hdf5?raw=true",
        ),
        "dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz",
    ),
)
SMALLNORB = (
    _norb("training", "dat", 131_896_188, "5ffd6272a07d32695ee1082a26a41a93a37aab8c28da047f8c34ed348d214873"),
    _norb("training", "info", 71_052, "de7eb932ebe7a4ee16217fead60660d0eb3d23632c2f4d1c51f88c501c17bf32"),
    _norb("testing", "dat", 130_799_817, "cf7104eed3e51174d2f65b66d1e5878b9da233b886f161b0d88f4510ba2c7474"),
    _norb("testing", "info", 10_428, "16adf314226327ee006d1a44db8cfef52773c06c829951d5653a9f6f310248a2"),
)
