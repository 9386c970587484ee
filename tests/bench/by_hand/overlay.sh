#!/usr/bin/env bash
# The overlay exercise as one types it: the scenario's commands over ssh, and nothing judged.
# Usage: overlay.sh SSH_CONFIG IMAGE FOLDER   (the captures go into the folder)
set -euo pipefail
config=$1 image=$2 folder=$3
on() { ssh -n -F "$config" "$@"; }

info="docker info --format 'swarm: {{.Swarm.LocalNodeState}}, manager: {{.Swarm.ControlAvailable}}'"
on machine1 "$info"
on machine2 "$info"
on machine1 docker node ls
on machine1 docker network ls
on machine2 docker network ls
on machine1 docker network create -d overlay --subnet 172.45.0.0/16 overlaynet1
on machine1 docker network ls
for number in 1 2; do
  on machine1 docker service create -t --replicas 1 --network overlaynet1 \
    --name "alpine-overlay$number" --constraint "node.hostname==machine$number" \
    --no-resolve-image "$image"
done
task() { on "machine$1" docker ps --format '{{.Names}}' --filter "name=alpine-overlay$1"; }
address() {
  on "machine$1" docker inspect "$2" \
    --format '{{.NetworkSettings.Networks.overlaynet1.IPAddress}}'
}
on machine1 docker ps
task1=$(task 1)
address1=$(address 1 "$task1")
on machine2 docker network ls
on machine2 docker ps
task2=$(task 2)
address2=$(address 2 "$task2")

# ping MACHINE TASK SERVICE ADDRESS: the exercise's ping, then one that crosses, watched
ping() {
  on "$1" docker exec "$2" ping -c 3 -w 8 -W 4 "$3" || true
  for machine in machine1 machine2; do
    # Three requests and three replies.
    on "$machine" sudo timeout 20 tcpdump -i any -n -U -c 6 -w - udp port 4789 \
      >"$folder/$1-$machine.pcap" 2>"$folder/$machine.err" &
    until grep -q "listening on" "$folder/$machine.err"; do sleep 0.1; done
  done
  on "$1" docker exec "$2" ping -c 3 -w 8 -W 4 "$4"
  wait
}
ping machine2 "$task2" alpine-overlay1 "$address1"
ping machine1 "$task1" alpine-overlay2 "$address2"

on machine1 docker service rm alpine-overlay1 alpine-overlay2
for machine in machine1 machine2; do
  until [ -z "$(on $machine docker ps -q --filter name=alpine-overlay)" ]; do sleep 0.5; done
done
on machine1 docker network rm overlaynet1
for machine in machine1 machine2; do
  until ! on $machine docker network ls | grep -q overlaynet1; do sleep 0.5; done
done
