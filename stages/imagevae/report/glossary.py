"""What the metrics are, in plain words, for the report and the model card."""

from typing import NamedTuple


class Entry(NamedTuple):
    """A metric: its title, what it tells, and which way is better."""

    title: str
    meaning: str
    better: str = ""

    @property
    def explained(self) -> str:
        """What it tells, and which way is better."""
        better = f"{self.better[:1].upper()}{self.better[1:]}." if self.better else ""
        return f"{self.meaning} {better}".strip()


LOWER, HIGHER = "lower is better", "higher is better"

METRICS = {
    "bits_per_dimension": Entry(
        "Bits per dimension",
        "How many bits the model needs for each colour value of an unseen image, at most: a bound from the ELBO. An "
        "8-bit image stored as it is takes 8. Comparable only between models of one resolution.",
        LOWER,
    ),
    "bits_per_dimension_sampler": Entry(
        "Bits per dimension, as sampled",
        "The same with the distribution that samples are drawn from as prior, in place of the standard normal one, "
        "and without the guidance of samples.",
        LOWER,
    ),
    "elbo_bits_per_dimension": Entry(
        "ELBO in bits per dimension", "The same as the ELBO, for each colour value.", LOWER
    ),
    "iwae_bits_per_dimension": Entry(
        "IWAE bound in bits per dimension", "The same as the IWAE bound, for each colour value.", LOWER
    ),
    "overfitting_bits_per_dimension": Entry(
        "Overfitting",
        "How many bits per dimension worse unseen images fare than training images. Around 0 there is none.",
        "closer to 0 is better",
    ),
    "elbo": Entry(
        "ELBO",
        "Lower bound on the log-probability of an image under the model, in nats (Kingma & Welling 2014).",
        HIGHER,
    ),
    "iwae": Entry(
        "IWAE bound", "A tighter bound on the same log-probability, from several draws (Burda et al. 2016).", HIGHER
    ),
    "kl": Entry("KL divergence", "How much the latents of an image tell about it, in nats."),
    "psnr": Entry("PSNR", "Error of reconstructions on a logarithmic scale, in dB. Unseen images, 8 bits.", HIGHER),
    "mse": Entry("Mean squared error", "Of reconstructions; colour values from 0 to 1.", LOWER),
    "ssim": Entry(
        "SSIM", "Structural similarity of reconstructions to their images, at most 1 (Wang et al. 2004).", HIGHER
    ),
    "fd": Entry(
        "Fréchet distance",
        "How far samples are from unseen images as a whole, in a network's features. Its size depends on the number of "
        "images, so it says something only beside the floor.",
        LOWER,
    ),
    "kid": Entry(
        "Kernel distance",
        "The same question by another statistic, unbiased: 0 on average for images of the same kind (Bińkowski 2018).",
        LOWER,
    ),
    "precision": Entry("Precision", "Share of samples that look like some unseen image: fidelity.", HIGHER),
    "recall": Entry("Recall", "Share of unseen images that some sample looks like: diversity.", HIGHER),
    "density": Entry("Density", "As precision, but robust to outliers; around 1 for images of the same kind.", HIGHER),
    "coverage": Entry("Coverage", "As recall, but robust to outliers.", HIGHER),
    "memorised": Entry(
        "Close to a training image",
        "Share of samples closer to a training image than 95% of the unseen images are. 0.05 is what chance gives.",
        "around 0.05 is best",
    ),
    "c_t": Entry(
        "Copying test C_T",
        "Whether samples are closer to training images than unseen images are; below -3 is suspicious (Meehan 2020).",
        "around 0 is best",
    ),
    "active_units": Entry("Active units", "Latents that vary with the image (Burda et al. 2016)."),
    "fd_from_prior": Entry(
        "Latents against the prior", "Fréchet distance from the latents of unseen images to the prior's.", LOWER
    ),
    "mig": Entry(
        "Mutual information gap", "Whether each known factor is told by one latent (Chen et al. 2018).", HIGHER
    ),
    "disentanglement": Entry("Disentanglement", "Whether each latent tells one known factor (Eastwood 2018).", HIGHER),
    "completeness": Entry("Completeness", "Whether each known factor is told by one latent (Eastwood 2018).", HIGHER),
    "informativeness": Entry("Informativeness", "How well the latents tell the known factors (Eastwood 2018).", HIGHER),
    "reconstruction": Entry("Reconstruction term", "The part of the ELBO that rates reconstructions, in nats.", LOWER),
    "images": Entry("Unseen images", "How many images were held out of training and measured."),
}

SUBJECTS = {  # whose figure it is
    "held_out": "unseen images",
    "training": "training images",
    "training_images": "training images (floor)",
    "sampler": "unseen images, prior as sampled",
    "model": "the model",
    "samples": "samples",
    "mean_image": "the mean image",
    "nearest_training_image": "nearest training image",
    "noise": "noise",
    "control": "unseen images (control)",
    "reconstructions": "reconstructions",
    "random_encoder": "untrained encoder",
    "aggregate_posterior": "latents of images",
    "floor": "floor",
    "ceiling": "ceiling",
}

COUNTS = {
    "training": "Images trained on",
    "held_out": "Images held out, unseen in training",
    "sampled": "Samples drawn",
}

SECTIONS = {
    "likelihood": "Likelihood",
    "reconstruction": "Reconstructions",
    "memorisation": "Copies of training images",
    "latents": "Latents",
}

PICTURES = {
    "samples": "Left: images that the model was trained on. Right: samples that it drew.",
    "reconstructions": "Left: images that training did not see. Right: what the model makes of them.",
    "interpolations": "From one unseen image to another through the latent space. At the ends the images themselves.",
    "suspects": "Left: the samples nearest to a training image. Right, at the same place: that training image.",
    "traversal": "What a latent does: in each row one of the most active goes from -3 to 3, all others stay at 0.",
    "manifold": "The plane of the two latents, decoded.",
    "grid": "The first samples.",
}


def entry(name: str) -> Entry:
    """The entry of a metric; its name, where it has none; `fd_random` is `fd` on the features `random`."""
    if name in METRICS:
        return METRICS[name]
    stem, _, features = name.partition("_")
    if stem in ("fd", "kid"):
        found = METRICS[stem]
        return found._replace(title=f"{found.title}, {features.replace('_', ' ')} features")
    return Entry(words(name), "")


def section(name: str) -> str:
    """The title of a section; `random_features` compares samples by the features `random`."""
    if name.endswith("_features"):
        return f"Samples against unseen images, by {name.replace('_', ' ')}"
    return SECTIONS.get(name, words(name))


def words(name: str) -> str:
    """A name as words: `active_units` is Active units."""
    text = name.replace("_", " ")
    return text[:1].upper() + text[1:]
