// The version of this program, which is that of all programs that are built together.

import packageJson from "../../package.json" with { type: "json" };

/** The version, such as 1.2.3. */
export const programVersion: string = packageJson.version;
