import { storeCutsContract } from "../contracts/store-cuts-suite.ts";
import { openEtcdCutRig } from "../support/etcd-cut-rig.ts";
import { openSimCutRig } from "../support/sim-cut-rig.ts";

storeCutsContract("memory", openSimCutRig);
storeCutsContract("etcd", openEtcdCutRig);
