"""What the check of sentences by a CLIP finds, by how well the CLIP tells photos apart: prints one table.

    python benchmarks/agreement.py

Embeddings are made, as what matters is one number: how far above its cosines with other photos a sentence's cosine with
its own photo lies on average, in their standard deviations (`separation`; it scatters as much as they do). A CLIP and a
pile of photos have one, and no other: it has to be looked at with the weights that are used. Each photo gets a sentence
of its own, one of another photo (`wrong`), and one that lies as far below all others' (`contrary`: of what this photo
shows least). By limit (`checks.max_better_fits`) the share of each that is complained about.
"""

import numpy as np
import numpy.typing as npt

from prx_data.captions import Agreement

PHOTOS, DIMENSIONS = 512, 256
SEPARATIONS = (0.0, 1.0, 2.0, 3.0, 4.0)
LIMITS = (0.95, 0.8, 0.5)
ASKED = 500

Floats = npt.NDArray[np.float32]


def unit(vectors: Floats) -> Floats:
    """Each row with norm 1."""
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True), dtype=np.float32)


def sentence_vectors(photos: Floats, separation: float, random: np.random.Generator) -> Floats:
    """A sentence's vector for each photo, whose cosine with it is so many standard deviations of those with others."""
    cosine = ((separation + random.standard_normal((len(photos), 1))) / DIMENSIONS**0.5).astype(np.float32)
    noise = random.standard_normal(photos.shape, dtype=np.float32)
    noise = unit(noise - (noise * photos).sum(axis=1, keepdims=True) * photos)
    return unit(cosine * photos + (1 - cosine**2) ** 0.5 * noise)


def complaints(photos: Floats, sentences: Floats, shift: int) -> list[float]:
    """By limit, the share of photos for which the sentence of another one, `shift` rows on, is complained about."""
    agreement = Agreement(
        keys=[f"{row:04}" for row in range(PHOTOS)],
        vectors=photos.astype(np.float16),
        texts=lambda said: sentences[[int(one.split()[1].rstrip(".")) for one in said]],
    )
    asked = [(f"{row:04}", f"Sentence {(row + shift) % PHOTOS}.") for row in range(ASKED)]
    return [sum(agreement.disagreement(*one, limit) is not None for one in asked) / ASKED for limit in LIMITS]


def main() -> None:
    """Print the table."""
    random = np.random.default_rng(0)
    photos = unit(random.standard_normal((PHOTOS, DIMENSIONS), dtype=np.float32))
    print(f"{PHOTOS} photos, {ASKED} sentences each; complained about at a limit of\n")
    print(f"{'':<12}" + "".join(f"{limit:>27g}" for limit in LIMITS))
    print(f"{'separation':<12}" + f"{'own':>9}{'wrong':>9}{'contrary':>9}" * len(LIMITS))
    for separation in SEPARATIONS:
        sentences = sentence_vectors(photos, separation, random)
        contrary = sentence_vectors(photos, -separation, random)
        found = [complaints(photos, sentences, 0), complaints(photos, sentences, 1), complaints(photos, contrary, 0)]
        cells = "".join(f"{share:>9.3f}" for shares in zip(*found, strict=True) for share in shares)
        print(f"{separation:<12g}{cells}")


if __name__ == "__main__":
    main()
