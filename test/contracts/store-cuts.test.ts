import { openEtcdCutRig } from "../support/etcd-cut-rig.ts";
import { openSimCutRig } from "../support/sim-cut-rig.ts";
import { storeCutsContract } from "./store-cuts-suite.ts";

storeCutsContract("memory", openSimCutRig);
storeCutsContract("etcd", openEtcdCutRig);
