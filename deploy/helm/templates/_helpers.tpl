{{- define "replayport.fullname" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "replayport.labels" -}}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{ include "replayport.selector" . }}
{{- end }}

{{- define "replayport.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "replayport.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}{{ .Values.serviceAccount.name | default (include "replayport.fullname" .) }}{{ else }}{{ .Values.serviceAccount.name | default "default" }}{{ end }}
{{- end }}

{{- define "replayport.configMap" -}}
{{- .Values.existingConfigMap | default (printf "%s-config" (include "replayport.fullname" .)) }}
{{- end }}

{{- define "replayport.image" -}}
{{- with .Values.image }}{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}{{ end }}
{{- end }}

{{/* What fails an installation early, with the fix. */}}
{{- define "replayport.validate" -}}
{{- if not .Values.existingConfigMap }}
{{- if not .Values.config }}{{ fail "Set config to your schedules.yaml (as a map), or existingConfigMap to a ConfigMap with the key schedules.yaml." }}{{ end }}
{{- if not .Values.config.redis }}{{ fail "config.redis is missing: scheduler and workers share a Redis, for example redis: { url: \"redis://redis:6379\" }." }}{{ end }}
{{- if not (.Values.config.http | default dict).token }}{{ fail "config.http.token is missing: pods listen for probes and the dashboard. Write http: { token: \"${REPLAYPORT_TOKEN}\" } and put REPLAYPORT_TOKEN into a Secret that `secrets` names." }}{{ end }}
{{- end }}
{{- if not (has .Values.autoscaling.type (list "keda" "hpa")) }}{{ fail "autoscaling.type is keda or hpa." }}{{ end }}
{{- end }}

{{/*
One kind of pod. Takes root, component, its values, its command's arguments, and the seconds that it gets to end.
*/}}
{{- define "replayport.pod" -}}
{{- $root := .root }}
metadata:
  labels:
    {{- include "replayport.labels" $root | nindent 4 }}
    app.kubernetes.io/component: {{ .component }}
  annotations:
    {{- if not $root.Values.existingConfigMap }}
    # A config that changes starts the pods again.
    checksum/config: {{ toYaml $root.Values.config | sha256sum }}
    {{- end }}
    {{- with .values.podAnnotations }}{{ toYaml . | nindent 4 }}{{ end }}
spec:
  serviceAccountName: {{ include "replayport.serviceAccount" $root }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ .terminationSeconds }}
  {{- with $root.Values.image.pullSecrets }}
  imagePullSecrets: {{ toYaml . | nindent 4 }}
  {{- end }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 1000
    runAsGroup: 1000
    fsGroup: 1000
    seccompProfile: { type: RuntimeDefault }
  containers:
    - name: {{ .component }}
      image: {{ include "replayport.image" $root | quote }}
      imagePullPolicy: {{ $root.Values.image.pullPolicy }}
      args: {{ toJson .args }}
      env:
        # A folder of its own in the volume: others may enter the volume itself.
        - name: REPLAYPORT_STAGE_DIR
          value: /var/lib/replayport/stage
        {{- with $root.Values.env }}{{ toYaml . | nindent 8 }}{{ end }}
      {{- with $root.Values.secrets }}
      envFrom:
        {{- range . }}
        - secretRef: { name: {{ . | quote }} }
        {{- end }}
      {{- end }}
      ports:
        - { name: http, containerPort: 8080, protocol: TCP }
      # It reads the load history first, which may wake a warehouse.
      startupProbe:
        httpGet: { path: /healthz, port: http }
        periodSeconds: 2
        failureThreshold: 60
      # The event loop turns. A Redis that is away is waited for; a restart wouldn't help.
      livenessProbe:
        httpGet: { path: /healthz, port: http }
        periodSeconds: 15
        timeoutSeconds: 5
        failureThreshold: 4
      readinessProbe:
        httpGet: { path: /readyz, port: http }
        periodSeconds: 10
        timeoutSeconds: 5
      resources: {{ toYaml .values.resources | nindent 8 }}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities: { drop: [ALL] }
      volumeMounts:
        - { name: config, mountPath: /etc/replayport/schedules.yaml, subPath: schedules.yaml, readOnly: true }
        {{- range $root.Values.files }}
        - { name: {{ printf "file-%s" .secret | quote }}, mountPath: {{ printf "/etc/replayport/files/%s" .secret | quote }}, readOnly: true }
        {{- end }}
        - { name: stage, mountPath: /var/lib/replayport }
        - { name: tmp, mountPath: /tmp }
  volumes:
    - name: config
      configMap: { name: {{ include "replayport.configMap" $root | quote }} }
    {{- range $root.Values.files }}
    - name: {{ printf "file-%s" .secret | quote }}
      secret: { secretName: {{ .secret | quote }}, defaultMode: 0440 }
    {{- end }}
    - name: stage
      emptyDir: {{ toJson (.stage | default (dict "sizeLimit" "64Mi")) }}
    - name: tmp
      emptyDir: { sizeLimit: 256Mi }
  {{- with .values.nodeSelector }}
  nodeSelector: {{ toYaml . | nindent 4 }}
  {{- end }}
  {{- with .values.tolerations }}
  tolerations: {{ toYaml . | nindent 4 }}
  {{- end }}
  {{- with .values.affinity }}
  affinity: {{ toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
