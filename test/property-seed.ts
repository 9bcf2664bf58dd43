// Loaded before the tests: property tests use the same values in every run, so that failures can be reproduced
// and changes compared. PROPERTY_SEED=random (or a number) explores further.

import fc from "fast-check";

const wanted = process.env["PROPERTY_SEED"] ?? "20261122";
if (wanted !== "random") fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: Number(wanted) });
