"""All that an evaluation measures of a model, and the pictures that come of it."""

from imagevae.evaluation.between import between_section
from imagevae.evaluation.by_class import class_sheets, classes_section
from imagevae.evaluation.codes import code_sections
from imagevae.evaluation.features import Network
from imagevae.evaluation.odd_images import folder_section
from imagevae.evaluation.sections import (
    Section,
    comparison_section,
    latents_section,
    likelihood_section,
    memorisation_section,
    reconstruction_section,
)
from imagevae.evaluation.sets import Pictures
from imagevae.evaluation.subject import Subject


def all_sections(
    subject: Subject, judges: dict[str, list[Network]], bounded: int, draws: int, seed: int
) -> tuple[dict[str, Section], dict[str, Pictures]]:
    """All sections by name, and the sheets that some of them make.

    Args:
        judges: networks whose features images are compared by; the last are those that classes are told apart by.
        bounded, draws: see `likelihood_section`.
    """
    model, sets, made, factors = subject.model, subject.sets, subject.made, subject.factors
    sections = {
        "likelihood": likelihood_section(model, sets, bounded, draws, seed),
        "reconstruction": reconstruction_section(sets, made),
        **{f"{name}_features": comparison_section(several, sets, seed) for name, several in judges.items()},
        "memorisation": memorisation_section(sets, made, seed),
        "latents": latents_section(made.encoded, factors, seed),
        "between": between_section(model, judges, sets, made, seed),
        **code_sections(model.axes, made.encoded, sets, factors, seed),
    }
    sections["folder"], sheets = folder_section(model, sets)
    if model.classes:
        kinds, of_each = subject.classes_of(subject.of_each), sets._replace(samples=subject.of_each.samples[:])
        sections["classes"] = classes_section(model.classes, kinds, list(judges.values())[-1], of_each, made)
        sheets |= class_sheets(model.classes, kinds, of_each)
    return sections, sheets
