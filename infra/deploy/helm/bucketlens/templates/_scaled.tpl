{{- /* Scales the workers of a stage by its queues. Takes a dict: it (as for the deployment), keda. */ -}}
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
  # While the broker does not answer.
  fallback: {failureThreshold: 3, replicas: {{ max 1 $keda.minReplicas }}}
  advanced:
    horizontalPodAutoscalerConfig:
      behavior:
        scaleDown:
          stabilizationWindowSeconds: 300
          policies: [{type: Pods, value: 1, periodSeconds: 60}]
  triggers:
    # Failed jobs return to the work queue. The management API also counts jobs that workers hold,
    # so a worker that has taken the whole queue does not look idle.
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
