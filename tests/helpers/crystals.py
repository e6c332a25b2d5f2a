"""Crystals of known structure, their CIFs, and an instrument without background."""

from pathlib import Path

from xrdae import simulate

CU_KA1 = 1.5406  # angstrom


BARE = simulate.Instrument(background=())


GAUSS = simulate.Instrument(background=(), eta=0.0)


CRYSTALS = {
    # name: (space group, a [angstrom], atoms)
    "halite": ("F m -3 m", 5.6402, (("Na", 0.0), ("Cl", 0.5))),
    "iron": ("I m -3 m", 2.8665, (("Fe", 0.0),)),
    "silicon": ("F d -3 m:1", 5.4300, (("Si", 0.0),)),
    "caesium_chloride": ("P m -3 m", 4.1230, (("Cs", 0.0), ("Cl", 0.5))),
}


def write_cif(folder: Path, name: str, *, text: str | None = None) -> Path:
    group, a, atoms = CRYSTALS[name]
    lengths = "".join(f"_cell_length_{axis} {a}\n" for axis in "abc")
    angles = "".join(f"_cell_angle_{angle} 90\n" for angle in ("alpha", "beta", "gamma"))
    loop = "loop_\n_atom_site_label\n_atom_site_type_symbol\n" + "".join(
        f"_atom_site_fract_{axis}\n" for axis in "xyz"
    )
    rows = "".join(f"{element}1 {element} {x} {x} {x}\n" for element, x in atoms)
    path = folder / f"{name}.cif"
    path.write_text(
        text or f"data_{name}\n{lengths}{angles}_space_group_name_H-M_alt '{group}'\n{loop}{rows}"
    )
    return path
