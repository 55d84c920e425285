#!/bin/sh
# Onboards the image of this folder as a model of the platform.
#
#   ACUMOS_TOKEN=user:token ./onboard.sh HOST[:PORT]
#
# Prints the solutionId. Push the image first.
set -eu

name='{name}'
image='{image}'

fail() {
    echo "onboard.sh: $1" >&2
    exit 1
}

[ $# -eq 1 ] || fail "usage: ACUMOS_TOKEN=user:token $0 HOST[:PORT]"
[ -n "${ACUMOS_TOKEN:-}" ] ||
    fail "ACUMOS_TOKEN is not set; set it to user:token, see your profile"
command -v curl >/dev/null || fail "curl is not installed"

case $1 in
https://*) site=$1 ;;
http://localhost | http://localhost:* | http://127.0.0.1 | \
    http://127.0.0.1:*) site=$1 ;;
*://*) fail "the token would be sent unencrypted to $1; use https" ;;
*:*) site=https://$1 ;;
*) site=https://$1:443 ;;
esac
url=${site%/}/onboarding-app/v2/advancedModel

cd "$(dirname "$0")"
for file in license.json model.proto; do
    [ -f "$file" ] || fail "there is no $file next to the script"
done
answer=$(mktemp)
trap 'rm -f "$answer"' EXIT

# The token goes through a pipe, because every user can read arguments.
status=$(printf 'Authorization: %s\n' "$ACUMOS_TOKEN" |
    curl --silent --show-error --request POST --output "$answer" \
        --write-out '%{http_code}' --connect-timeout 30 --max-time 600 \
        --header @- --header 'Accept: application/json' \
        --header "modelname: $name" --header "dockerFileURL: $image" \
        --header 'isCreateMicroservice: false' \
        --form 'license=@license.json;type=application/json' \
        --form 'protobuf=@model.proto;type=text/plain' \
        "$url") || fail "no answer from $url"

if [ "$status" != 201 ]; then
    head -c 500 "$answer" >&2
    echo >&2
    fail "$url answered $status, not 201; nothing was onboarded"
fi
id=$(tr -d '\n' <"$answer" |
    sed -n 's/.*"solutionId"[[:space:]]*:[[:space:]]*"\([^"]*\)".*/\1/p')
[ -n "$id" ] || fail "$url answered 201, but without a solutionId"
echo "$id"
