"""The colours of kinds of layers, the same wherever layers are drawn."""

from collections.abc import Iterable

# families of kinds by what they are called in a legend; colours told apart by people with colour blindness too
# (Okabe & Ito, 2008, https://jfly.uni-koeln.de/color/)
FAMILIES = {
    "input": ("#d9d9d9", ("Input",)),
    "convolution": ("#56b4e9", ("Conv2D", "DepthwiseConv2D", "SeparableConv2D")),
    "normalisation": ("#f0e442", ("BatchNormalization", "Normalization", "Rescaling", "UnitNormalization")),
    "activation": ("#e69f00", ("Activation", "ReLU", "LeakyReLU", "ELU", "Softmax")),
    "pooling": (
        "#d55e00",
        ("MaxPooling2D", "AveragePooling2D", "GlobalAveragePooling2D", "GlobalMaxPooling2D"),
    ),
    "dense": ("#009e73", ("Dense",)),
    "merge": ("#cc79a7", ("Add", "Average", "Concatenate", "Maximum", "Minimum", "Multiply", "Subtract")),
    "dropout": ("#a6a6a6", ("Dropout",)),
    "other": ("#ffffff", ()),
}
_FAMILY_OF = {kind: family for family, (_, kinds) in FAMILIES.items() for kind in kinds}


def family_of(kind: str) -> str:
    """The family of a layer's class."""
    return _FAMILY_OF.get(kind, "other")


def colour_of(kind: str) -> str:
    """The colour of a layer's class."""
    return FAMILIES[family_of(kind)][0]


def families_of(kinds: Iterable[str]) -> list[tuple[str, str]]:
    """(name, colour) of the families that occur, for a legend."""
    found = {family_of(kind) for kind in kinds}
    return [(family, colour) for family, (colour, _) in FAMILIES.items() if family in found]
