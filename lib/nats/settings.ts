// The NATS settings that agent and aggregator share, and their conversion to connection options.

import { z } from "zod";
import type { Setting } from "../program/program-settings.ts";
import { natsServers } from "../program/program-settings.ts";
import type { NatsOptions } from "./connection.ts";

/** The NATS part of the settings schema. */
export const natsSchema = {
  natsUrl: natsServers().default(["nats://127.0.0.1:4222"]),
  natsUser: z.string().optional(),
  natsPassword: z.string().optional(),
  natsToken: z.string().optional(),
  natsTokenFile: z.string().optional(),
  natsCreds: z.string().optional(),
  natsCa: z.string().optional(),
  natsCert: z.string().optional(),
  natsKey: z.string().optional(),
};

/** The settings' names and help texts; `role` is the program's name in examples. */
export function natsSettings(role: string): Readonly<Record<keyof typeof natsSchema, Setting>> {
  return {
    natsUrl: {
      variable: "WHOTALKS_NATS_URL",
      example: "nats://whotalks-nats:4222",
      help: "NATS servers, commas between",
    },
    natsUser: { variable: "WHOTALKS_NATS_USER", example: role, help: "User at NATS" },
    natsPassword: {
      variable: "WHOTALKS_NATS_PASSWORD",
      example: "secret",
      help: "Password at NATS",
      secret: true,
    },
    natsToken: { variable: "WHOTALKS_NATS_TOKEN", example: "secret", help: "Token at NATS", secret: true },
    natsTokenFile: {
      variable: "WHOTALKS_NATS_TOKEN_FILE",
      example: "/var/run/nats/token",
      help: "File of a token",
    },
    natsCreds: {
      variable: "WHOTALKS_NATS_CREDS",
      example: `/etc/whotalks/${role}.creds`,
      help: "File of NATS credentials",
    },
    natsCa: {
      variable: "WHOTALKS_NATS_CA",
      example: "/etc/whotalks/ca.crt",
      help: "Authority that NATS is trusted by",
    },
    natsCert: {
      variable: "WHOTALKS_NATS_CERT",
      example: "/etc/whotalks/tls.crt",
      help: "Client certificate for NATS",
    },
    natsKey: {
      variable: "WHOTALKS_NATS_KEY",
      example: "/etc/whotalks/tls.key",
      help: "Key of that certificate",
    },
  };
}

/** Converts the settings to the options of a connection with this name. */
export function natsOptions(config: NatsConfig, name: string, more: Partial<NatsOptions> = {}): NatsOptions {
  return {
    servers: config.natsUrl,
    name,
    user: config.natsUser,
    password: config.natsPassword,
    token: config.natsToken,
    tokenFile: config.natsTokenFile,
    credentialsFile: config.natsCreds,
    caFile: config.natsCa,
    certFile: config.natsCert,
    keyFile: config.natsKey,
    ...more,
  };
}

type NatsConfig = Readonly<z.output<z.ZodObject<typeof natsSchema>>>;
