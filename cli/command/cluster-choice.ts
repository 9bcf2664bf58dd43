// Which cluster the command line asks, and where in it whotalks is.

/** The flags --kubeconfig, --context and --whotalks-namespace, and where their defaults are looked up. */
export interface ClusterChoice {
  readonly kubeconfig?: string | undefined;
  readonly context?: string | undefined;
  /** Namespace of the aggregator; searched for where absent. */
  readonly namespace?: string | undefined;
  /** $KUBECONFIG and $HOME are looked up here. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}
