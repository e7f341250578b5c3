"""`python -m tests.docs`: writes the pages of `docs/` that are made from the code."""

from tests.docs import generate


def main() -> None:
    """Writes every page."""
    for name, text in {**generate.quick(), "assets.md": generate.assets()}.items():
        path = generate.DOCS / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
