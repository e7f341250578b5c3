"""The decorator of assets that Andon itself makes: what all of them have in common.

The assets of evaluators and of dbt models have specs of their own.
"""

from collections.abc import Callable, Iterable, Sequence

import dagster as dg

from orchestration.runtime.deployment import PLATFORM, build_tags
from orchestration.runtime.partitions import CODE, RANGE


def declare_asset(
    stage: str,
    kinds: set[str],
    *,
    owner: str = PLATFORM,
    apps: Iterable[str] = (),
    pii: bool = False,
    paid: bool = False,
    nights: dg.DailyPartitionsDefinition | None = None,
    deps: Sequence[dg.AssetKey | str] = (),
    check_specs: Sequence[dg.AssetCheckSpec] = (),
) -> Callable[[Callable[..., object]], dg.AssetsDefinition]:
    """Decorates a function as an asset of a stage.

    Args:
        stage: the stage: the asset's group and tag.
        kinds: what Dagster shows as its kinds.
        owner: the team that owns it.
        apps: the applications to tag it with.
        pii: whether it has texts of users.
        paid: whether making it costs money.
        nights: its partitions; one run then makes a range of them.
        deps: the assets it reads.
        check_specs: the checks it yields.
    """
    return dg.asset(
        group_name=stage,
        kinds=kinds,
        code_version=CODE,
        owners=[owner],
        tags=build_tags(stage, apps, pii=pii, paid=paid),
        partitions_def=nights,
        backfill_policy=RANGE if nights else None,
        deps=deps,
        check_specs=check_specs,
    )
