"""What the metrics are, in plain words, for the report and the model card."""

from typing import NamedTuple


class Entry(NamedTuple):
    """A metric: its title, what it measures, and which way is better."""

    title: str
    meaning: str
    better: str = ""

    @property
    def explained(self) -> str:
        """What it measures, and which way is better."""
        better = f"{self.better[:1].upper()}{self.better[1:]}." if self.better else ""
        return f"{self.meaning} {better}".strip()


LOWER, HIGHER = "lower is better", "higher is better"

METRICS = {
    "bits_per_dimension": Entry(
        "Bits per dimension",
        "Upper bound, from the ELBO, on the bits that the model needs for each colour value of an unseen image. Stored "
        "as it is, an 8-bit image takes 8. Comparable only between models of the same resolution.",
        LOWER,
    ),
    "bits_per_dimension_sampler": Entry(
        "Bits per dimension, as sampled",
        "The same, with the distribution that samples are drawn from as the prior instead of the standard normal one. "
        "Without the guidance of samples.",
        LOWER,
    ),
    "elbo_bits_per_dimension": Entry(
        "ELBO in bits per dimension", "The negative ELBO for each colour value, in bits.", LOWER
    ),
    "iwae_bits_per_dimension": Entry(
        "IWAE bound in bits per dimension", "The negative IWAE bound for each colour value, in bits.", LOWER
    ),
    "overfitting_bits_per_dimension": Entry(
        "Overfitting",
        "How many more bits per dimension unseen images need than training images. Around 0 there is none.",
        "closer to 0 is better",
    ),
    "elbo": Entry(
        "ELBO",
        "Lower bound on the log-likelihood of an image under the model, in nats (Kingma & Welling 2014).",
        HIGHER,
    ),
    "iwae": Entry(
        "IWAE bound", "A tighter bound on the same log-likelihood, from several draws (Burda et al. 2016).", HIGHER
    ),
    "kl": Entry("KL divergence", "Of an image's posterior from the prior, in nats: how much the latents say about it."),
    "psnr": Entry(
        "PSNR",
        "Peak signal-to-noise ratio of reconstructions of unseen 8-bit images, in dB.",
        HIGHER,
    ),
    "mse": Entry("Mean squared error", "Of reconstructions of unseen images, with colour values from 0 to 1.", LOWER),
    "ssim": Entry(
        "SSIM", "Structural similarity of reconstructions to their images, at most 1 (Wang et al. 2004).", HIGHER
    ),
    "fd": Entry(
        "Fréchet distance",
        "How far the samples as a whole are from unseen images, in a network's features. It depends on the number of "
        "images, so it means something only beside the floor.",
        LOWER,
    ),
    "kid": Entry(
        "Kernel distance",
        "The same by an unbiased statistic: 0 on average for images of one distribution (Bińkowski et al. 2018).",
        LOWER,
    ),
    "kid_midpoints": Entry(
        "Kernel distance of midpoints",
        "From images in the middle of the way between two unseen ones to unseen images. Samples are the floor, the two "
        "images faded into each other the ceiling.",
        LOWER,
    ),
    "path_length": Entry(
        "Perceptual path length",
        "How uneven the ways between unseen images are: the squared speed at which random features change, 1 on a "
        "straight way at an even pace, 16 on one that jumps (after Karras et al. 2019).",
        LOWER,
    ),
    "precision": Entry(
        "Precision", "Fidelity: the share of samples that lie among unseen images (Kynkäänniemi et al. 2019).", HIGHER
    ),
    "recall": Entry(
        "Recall", "Diversity: the share of unseen images that lie among samples (Kynkäänniemi et al. 2019).", HIGHER
    ),
    "density": Entry(
        "Density",
        "As precision, but robust to outliers; around 1 for images of one distribution (Naeem et al. 2020).",
        HIGHER,
    ),
    "coverage": Entry("Coverage", "As recall, but robust to outliers (Naeem et al. 2020).", HIGHER),
    "memorised": Entry(
        "Close to a training image",
        "Share of samples that are closer to a training image than 95% of unseen images are; 0.05 is expected by "
        "chance.",
        "around 0.05 is best",
    ),
    "c_t": Entry(
        "Copying test C_T",
        "Whether samples are closer to training images than unseen images are; below -3 is suspicious (Meehan et al. "
        "2020).",
        "around 0 is best",
    ),
    "odd": Entry(
        "Odd images",
        "Share of training images that the model finds odder than 95% of unseen images: badly predicted by the flow, "
        "or badly reconstructed. It has learned the training images, so 0 is usual, and less than 0.05.",
    ),
    "doubles": Entry(
        "Near-duplicates",
        "Share of images of which there is another one at another size or compression, or shifted by a few pixels.",
    ),
    "active_units": Entry("Active units", "Number of latents that vary with the image (Burda et al. 2016)."),
    "fd_from_prior": Entry(
        "Fréchet distance to the prior",
        "From the latents of unseen images to draws from the prior. The floor is that between two sets of draws.",
        LOWER,
    ),
    "code_variance": Entry(
        "Variance kept by the code",
        "Share of the variance of unseen images' latents, as the flow sees them, that their code keeps. The control is "
        "as many axes in random directions.",
        HIGHER,
    ),
    "neighbours_in_latents": Entry(
        "Neighbours in latents",
        "Share of the ten training images with the nearest latents, as the flow sees them, that are also among the ten "
        "nearest by these numbers (Lee & Verleysen 2009).",
        HIGHER,
    ),
    "neighbours_in_pixels": Entry("Neighbours in pixels", "The same, of those with the nearest pixels.", HIGHER),
    "neighbours_in_factors": Entry(
        "Neighbours in factors",
        "Share of its known factors that an unseen image has in common with the ten nearest training images.",
        HIGHER,
    ),
    "probe_accuracy": Entry(
        "Accuracy of linear probes",
        "Share of the known factors of unseen images that logistic regressions tell from the code. They were fitted to "
        "training images (Alain & Bengio 2017).",
        HIGHER,
    ),
    "mig": Entry(
        "Mutual information gap",
        "Whether a single number of the code captures each known factor (Chen et al. 2018).",
        HIGHER,
    ),
    "disentanglement": Entry(
        "Disentanglement", "Whether each number captures a single known factor (Eastwood & Williams 2018).", HIGHER
    ),
    "completeness": Entry(
        "Completeness", "Whether a single number captures each known factor (Eastwood & Williams 2018).", HIGHER
    ),
    "informativeness": Entry(
        "Informativeness",
        "Share of the known factors that forests of decision trees tell (Eastwood & Williams 2018).",
        HIGHER,
    ),
    "mutual_information": Entry(
        "Mutual information",
        "How much of a factor's entropy a number of the code knows, from 0 to 1. Shuffled numbers know nothing.",
    ),
    "reconstruction": Entry(
        "Reconstruction term",
        "Negative log-likelihood of an image given its latents, in nats. The ELBO is minus the sum of this and the KL "
        "divergence.",
        LOWER,
    ),
    "class_accuracy": Entry(
        "Told as their class",
        "Share of samples that a classifier takes for the class they were drawn of: a logistic regression on a "
        "network's features, fitted to training images. Unseen images are the ceiling.",
        HIGHER,
    ),
    "kid_classes": Entry(
        "Kernel distance within classes",
        "From the samples of a class to its unseen images. The floor are as many of its training images.",
        LOWER,
    ),
    "class_share": Entry(
        "Share of a class",
        "Share of samples, drawn of any class, that the classifier takes for it, and of unseen images; and its share "
        "of training images.",
        "as for unseen images is best",
    ),
    "images": Entry("Unseen images", "Number of images that were held out of training, to evaluate the model."),
}

SUBJECTS = {  # what an estimate is of
    "held_out": "unseen images",
    "training": "training images",
    "training_images": "training images (floor)",
    "sampler": "unseen images, prior as sampled",
    "model": "the model",
    "samples": "samples",
    "midpoints": "between two images",
    "cross_fade": "their pixels faded (ceiling)",
    "mean_image": "the mean image",
    "nearest_training_image": "nearest training image",
    "noise": "noise",
    "control": "unseen images (control)",
    "reconstructions": "reconstructions",
    "random_encoder": "untrained encoder",
    "aggregate_posterior": "aggregate posterior",
    "code": "the code",
    "pixel_pca": "principal components of pixels",
    "random_axes": "random axes",
    "floor": "floor",
    "ceiling": "ceiling",
}

COUNTS = {
    "training": "Training images",
    "held_out": "Unseen images, held out of training",
    "sampled": "Samples drawn",
}

SECTIONS = {
    "likelihood": "Likelihood",
    "reconstruction": "Reconstructions",
    "memorisation": "Memorisation",
    "latents": "Latents",
    "between": "Between images",
    "code": "The code",
    "axes": "What the code knows of each factor",
    "folder": "Odd images and near-duplicates",
    "classes": "Classes",
}
CROSSED = {"axes"}  # sections whose columns are what the last names say
NAMED = {"classes"}  # sections with names of people's own before the last, which is the subject

PICTURES = {
    "samples": "Left: training images. Right: samples from the model.",
    "classes": "A row for each class. Left: training images. Right: samples of that class.",
    "reconstructions": "Left: unseen images. Right: their reconstructions.",
    "interpolations": "The way between two unseen images, which stand at the ends of each row: through the noise that "
    "the flow makes images of or, where there is no flow, through the latents.",
    "map": "Where images lie by the axes along which training images vary most, or as t-SNE or UMAP lay them out. "
    "Above some of them, in frames that tell training images, unseen images and samples; below a dot for each. Where "
    "the dots of samples are missing, the model draws nothing like the images there.",
    "strange": "The oddest images of the training folder: the score, which about one of ten unseen images has above 1; "
    "the image; its reconstruction; where the two differ; and where the flow is surprised.",
    "doubles": "Groups of near-duplicates in the training folder, a row for each.",
    "suspects": "Left: the samples nearest to a training image. Right, in the same place: that training image.",
    "traversal": "A sample, moved along the axes along which training images vary most, from -2 to 2 standard "
    "deviations. At the left the share of the variance that each axis explains.",
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
        return f"Samples against unseen images, in {name.replace('_', ' ')}"
    return SECTIONS.get(name, words(name))


def words(name: str) -> str:
    """A name as words: `active_units` is Active units."""
    text = name.replace("_", " ")
    return text[:1].upper() + text[1:]
