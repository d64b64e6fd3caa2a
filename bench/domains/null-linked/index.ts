/**
 * The load and the disk in one domain: what is left of the interface when nothing is crossed.
 */
import { QueueLoadServer } from "idl/block-load";
import { NullDisk } from "../null-block/disk";
import { Loop } from "../queue-load/loop";

QueueLoadServer.provide(new Loop<NullDisk>(new NullDisk()));
