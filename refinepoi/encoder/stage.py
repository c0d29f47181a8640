"""Stage `train_encoder`: Features and Trajectories -> Embeddings, the network's weights and a picture beside them."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from refinepoi.artifacts.embeddings import Embeddings
from refinepoi.artifacts.features import MAP, Features
from refinepoi.artifacts.files import read_json, write_json
from refinepoi.artifacts.trajectories import SPLITS, Trajectories
from refinepoi.core.errors import DataError, UserError
from refinepoi.core.stage import Artifact, Context, stage
from refinepoi.encoder.spec import VERSION, ContrastiveSpec, EncoderSpec, FittedEncoder

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from refinepoi.encoder.module import ContrastiveEncoder
    from refinepoi.encoder.pairs import Pairs

FEWEST_PAIRS = 20


@stage(version=VERSION, makes=Embeddings, name="train_encoder")
def train_encoder(
    context: Context, spec: EncoderSpec, features: Artifact[Features], trajectories: Artifact[Trajectories]
) -> None:
    if isinstance(spec, FittedEncoder):
        encode_again(context, spec, features.load(), trajectories.load())
    else:
        train(context, spec, features.load(), trajectories.load())


def encode_again(context: Context, spec: FittedEncoder, features: Features, trajectories: Trajectories) -> None:
    """Encode with the stored network; what it needs is copied beside the vectors. UserError where features differ."""
    import torch

    from refinepoi.encoder.network import encode, load_network, save_network
    from refinepoi.encoder.pictures import draw_embedding_map

    network = load_network(Path(spec.network))
    others = differences(read_json(Path(spec.network) / MAP), features.map)
    if others or network.sizes[0] != features.matrix.shape[1]:
        raise UserError(
            f"encoder.network: {spec.network} was trained on features of other meaning or scale "
            f"({others or 'other columns'}); describe POIs by the features it was trained on (features=fitted "
            "features.map=STORE/make_features/KEY, which its manifest.json names), or train an encoder"
        )
    vectors = encode(network, torch.from_numpy(features.matrix)).numpy()
    Embeddings(vectors, {"pois": float(len(vectors))}).save(context.folder)
    save_network(network, context.folder)
    write_json(context.folder / MAP, features.map)
    names, groups = categories(trajectories)
    places = trajectories.pois.select("latitude", "longitude").to_numpy()
    draw_embedding_map(vectors, groups, names, places, context.folder / "pictures" / "embedding_map.png")


def train(context: Context, spec: ContrastiveSpec, features: Features, trajectories: Trajectories) -> None:
    """Write vectors.npy, quality.json, encoder.safetensors and pictures/embedding_map.png into `context.folder`."""
    import torch

    from refinepoi.encoder.network import encode, save_network
    from refinepoi.encoder.pictures import draw_embedding_map
    from refinepoi.encoder.quality import quality_of
    from refinepoi.encoder.training import fit

    module = untrained(spec, features, trajectories)
    summary = fit(module, context)
    vectors = encode(module.network, torch.from_numpy(features.matrix)).numpy()
    places = trajectories.pois.select("latitude", "longitude").to_numpy()
    (names, groups), known, held = categories(trajectories), module.train_pairs, module.held_pairs
    quality = quality_of(vectors, features.matrix, groups, places, known, held)
    facts = {"pois": float(len(vectors)), "pairs": float(len(known)), "held_out_pairs": float(len(held))}
    Embeddings(vectors, {**quality, **summary, **facts}).save(context.folder)
    save_network(module.network, context.folder)
    write_json(context.folder / MAP, features.map)
    draw_embedding_map(vectors, groups, names, places, context.folder / "pictures" / "embedding_map.png")


def untrained(spec: ContrastiveSpec, features: Features, trajectories: Trajectories) -> "ContrastiveEncoder":
    """The network before training with all that it is trained on. DataError where that is too little."""
    from refinepoi.encoder.module import ContrastiveEncoder
    from refinepoi.encoder.pairs import hold_out

    if len(features.matrix) != trajectories.pois.height:
        raise DataError(
            f"encoder: features of {len(features.matrix)} POIs and trajectories of {trajectories.pois.height} do not "
            "belong together; give it features made from these trajectories"
        )
    pairs = training_pairs(trajectories, spec.positives.hours)
    if len(pairs) < FEWEST_PAIRS:
        raise DataError(
            f"encoder.positives.hours: the training trajectories hold {len(pairs)} pairs of POIs visited within "
            f"{spec.positives.hours} h of one another, and {FEWEST_PAIRS} are needed; raise it or use more check-ins"
        )
    known, held = hold_out(pairs, spec.held_out, spec.seed)
    (_, groups), trained = categories(trajectories), trajectories.pois["in_train"].to_numpy()
    return ContrastiveEncoder(spec, features.matrix, list(features.blocks.values()), groups, trained, known, held)


def differences(then: dict[str, Any], now: dict[str, Any]) -> str:
    """What two maps of features (`Features.map`) do not share, in words; empty where they are the same."""
    found = []
    for part in sorted(set(then) | set(now)):
        before, after = then.get(part), now.get(part)
        if before == after:
            continue
        names = sorted(set(after or ()) ^ set(before or ())) if part in ("categories", "words") else []
        found.append(f"{part}: {len(names)} come or gone, such as {names[0]!r}" if names else part)
    return ", ".join(found)


def training_pairs(trajectories: Trajectories, hours: float) -> "Pairs":
    """The co-visited pairs of the training split."""
    import polars as pl

    from refinepoi.encoder.pairs import covisited

    rows = trajectories.checkins.filter(pl.col("split") == SPLITS.index("train"))
    return covisited(rows["trajectory"].to_numpy(), rows["poi"].to_numpy(), rows["utc"].to_numpy(), hours)


def categories(trajectories: Trajectories) -> "tuple[list[str], npt.NDArray[np.int64]]":
    """(category names, sorted; the number of each POI's category int64 [P], -1 where it has none)."""
    import numpy as np

    texts = [name.strip() or code.strip() for name, code in trajectories.pois.select("category", "category_id").rows()]
    names = sorted({text for text in texts if text})
    number = {name: i for i, name in enumerate(names)}
    return names, np.array([number.get(text, -1) for text in texts], dtype=np.int64)
