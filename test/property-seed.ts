// Loaded before the tests: property tests take the same values in every run, so that a run that failed can be
// had again and a change is judged by itself. PROPERTY_SEED=random (or a number) looks further.

import fc from "fast-check";

const wanted = process.env["PROPERTY_SEED"] ?? "20261122";
if (wanted !== "random") fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: Number(wanted) });
