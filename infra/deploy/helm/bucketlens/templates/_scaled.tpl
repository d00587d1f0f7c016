{{- /* As many workers of a stage as its queues want. Takes a dict: it (as for the deployment), keda. */ -}}
{{- define "bucketlens.scaled" -}}
{{- $root := .it.root -}}
{{- $keda := .keda -}}
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata:
  name: {{ include "bucketlens.fullname" .it }}
  labels: {{- include "bucketlens.labels" .it | nindent 4 }}
spec:
  scaleTargetRef: {name: {{ include "bucketlens.fullname" .it }}}
  minReplicaCount: {{ $keda.minReplicas }}
  maxReplicaCount: {{ $keda.maxReplicas }}
  pollingInterval: {{ $keda.pollingInterval }}
  cooldownPeriod: {{ $keda.cooldownPeriod }}
  # While the broker cannot be asked.
  fallback: {failureThreshold: 3, replicas: {{ max 1 $keda.minReplicas }}}
  advanced:
    horizontalPodAutoscalerConfig:
      behavior:
        scaleDown:
          stabilizationWindowSeconds: 300
          policies: [{type: Pods, value: 1, periodSeconds: 60}]
  triggers:
    # Failed jobs come back into the work queue. The management API also counts jobs on loan, so
    # that a worker that has taken the whole queue is not taken for idle.
    {{- range list "" ".bulk" ".suspect" }}
    - type: rabbitmq
      metadata:
        protocol: http
        mode: QueueLength
        value: {{ $keda.jobsPerReplica | int64 | quote }}
        queueName: {{ $root.Values.amqpNamespace }}.{{ $.it.stage }}{{ . }}
        vhostName: {{ $keda.vhost }}
        excludeUnacknowledged: "false"
      authenticationRef: {name: {{ $root.Release.Name }}-broker}
    {{- end }}
{{- end }}
