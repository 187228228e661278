"""The optimizer that trains the autoencoder, and the learning rate of a training."""

import math
from typing import Any

import keras
from keras import KerasTensor, ops

# Of a polynomial that takes singular values in (0, 1] to about 1 when it is applied so many times (Jordan et al. 2024).
COEFFICIENTS, TIMES = (3.4445, -4.7750, 2.0315), 5
ROOT_MEAN_SQUARE = 0.2  # of Adam's steps, as it usually is, at a learning rate of 1 (Liu et al. 2025, section 2.2)


@keras.saving.register_keras_serializable("imagevae")
class Muon(keras.optimizers.Adam):
    """Muon for the kernels of convolutions (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon), else Adam.

    A kernel is a matrix here, from a patch of all channels to each new channel. Its step is the momentum of its
    gradient with all singular values made equal, so that directions in which the gradient is small are learned as fast
    as others; it is scaled to be as long as Adam's (Liu et al. 2025, https://arxiv.org/abs/2502.16982, equation 4).
    Dense layers are Adam's: on a CPU such a step would cost more there than the gradient does.

    Args:
        learning_rate: of both.
        momentum: how much of the momentum a step keeps; Nesterov's, so the next step's share counts already.
    """

    def __init__(self, learning_rate: Any = 0.001, momentum: float = 0.95, name: str = "muon", **keywords: Any):
        super().__init__(learning_rate, name=name, **keywords)
        self.momentum = momentum

    def get_config(self) -> dict:
        return {**super().get_config(), "momentum": self.momentum}

    def update_step(self, gradient: KerasTensor, variable: keras.Variable, learning_rate: KerasTensor) -> None:
        """Change a variable by one step along its gradient."""
        if len(variable.shape) != 4:
            super().update_step(gradient, variable, learning_rate)
            return
        momentum = self._momentums[self._get_variable_index(variable)]
        self.assign(momentum, self.momentum * momentum + gradient)
        matrix = ops.reshape(self.momentum * momentum + gradient, (-1, variable.shape[-1]))
        length = ROOT_MEAN_SQUARE * math.sqrt(max(matrix.shape))
        self.assign_sub(variable, ops.reshape(orthogonal(matrix, learning_rate * length), variable.shape))


def orthogonal(matrix: KerasTensor, length: float | KerasTensor = 1.0) -> KerasTensor:
    """About the orthogonal matrix that is nearest to one, (n, m), times a length: its singular values become 0.7 to 1.2
    of it, and those of less than a thousandth of its norm something below that.

    By Newton and Schulz's iteration, X <- (a + b XX' + c (XX')^2) X. The polynomials are multiplied with each other
    first, as matrices of the smaller side, and with X in the end.
    """
    wide = matrix.shape[0] < matrix.shape[1]
    gram = ops.matmul(matrix, ops.transpose(matrix)) if wide else ops.matmul(ops.transpose(matrix), matrix)
    a, b, c = COEFFICIENTS
    one = ops.eye(gram.shape[0])
    square = ops.trace(gram) + 1e-24  # of the matrix's norm
    gram, product = gram / square, one * (length / ops.sqrt(square))
    for _ in range(TIMES):
        polynomial = a * one + ops.matmul(b * one + c * gram, gram)
        product = ops.matmul(polynomial, product)
        gram = ops.matmul(ops.matmul(polynomial, gram), polynomial)
    return ops.matmul(product, matrix) if wide else ops.matmul(matrix, product)


class RiseAndFall(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate that rises linearly in a twentieth of the steps, and then falls linearly to 0, which Bergsma et
    al. 2025 (https://arxiv.org/abs/2502.15938) found better for language models than a cosine.

    Args:
        highest: the rate where it turns.
        steps: of the whole training.
    """

    def __init__(self, highest: float, steps: int):
        self.highest, self.steps = highest, steps

    def get_config(self) -> dict:
        return {"highest": self.highest, "steps": self.steps}

    def __call__(self, step: KerasTensor) -> KerasTensor:
        """The rate of a step, of which the first is 0."""
        rise = -(-self.steps // 20)
        done = ops.cast(step, "float32")
        return self.highest * ops.minimum((done + 1) / rise, (self.steps - done) / max(1, self.steps - rise))
