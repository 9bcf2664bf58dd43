// The user's choice of cluster, and of the aggregator's namespace in it.

/** The flags --kubeconfig, --context and --whotalks-namespace, and the environment for their defaults. */
export interface ClusterChoice {
  readonly kubeconfig?: string | undefined;
  readonly context?: string | undefined;
  /** Namespace of the aggregator; searched for if absent. */
  readonly namespace?: string | undefined;
  /** Source of $KUBECONFIG and $HOME. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}
