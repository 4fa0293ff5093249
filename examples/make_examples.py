"""Draws the pictures and PDFs of the examples; the texts beside them are written by hand.

    python examples/make_examples.py            into examples/
    python examples/make_examples.py FOLDER     into another folder

With the versions in constraints.txt the same bytes come out on every run.
"""

from __future__ import annotations

import sys
from pathlib import Path

from drawn import charts, facts, products, reports, scans, screens
from drawn.canvas import jpeg, png


def make_files() -> dict[str, bytes]:
    """All drawn files, by path below the examples folder."""
    tickets = png(charts.tickets_per_month())
    files = {
        "knowledge/quarterly-report-q3-2025.pdf": reports.quarterly_report(),
        "knowledge/clinic-report.pdf": reports.clinic_report(),
        "attachments/tickets-per-month.png": tickets,
        "attachments/first-response-time.png": png(charts.first_response()),
        "attachments/return-rates.png": png(charts.return_rates()),
        "attachments/cloud-status-dark.png": png(screens.cloud_status()),
        "attachments/app-error-dark.png": png(screens.app_error()),
        "attachments/scan-left-kidney.jpg": jpeg(scans.kidney_scan(scans.LEFT_KIDNEY)),
        "attachments/harbour.jpg": jpeg(scans.harbour()),
        "attachments/broken-chart.png": damaged(tickets),
    }
    for product in facts.PRODUCTS:
        files[f"knowledge/product-{product.model.lower()}.png"] = png(products.product_picture(product))
    return files


def damaged(picture: bytes) -> bytes:
    """The picture as after a transfer that broke off: a third of it, with a wrong header checksum."""
    header_checksum = slice(29, 33)  # signature 8, then IHDR: length 4, name 4, data 13
    broken = bytearray(picture[: len(picture) // 3])
    broken[header_checksum] = bytes(4)
    return bytes(broken)


def main(folder: Path) -> None:
    """Write every file and say so."""
    for path, data in sorted(make_files().items()):
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        print(f"{path}  {len(data):,} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if sys.argv[1:] else Path(__file__).parent)
