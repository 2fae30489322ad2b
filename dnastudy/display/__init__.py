"""Drawing only: charts, tables and what a terminal shows; finished numbers in."""
