/** Seeded bugs in the rules that keep the host's own devices from being taken. */
import type { Mutant } from "./mutant.ts";

const RULES = "test/pci/rules.test.ts";
const BIND = "test/pci/bind.test.ts";
const SIGNATURES = "test/pci/signatures.test.ts";

export const PCI_MUTANTS: readonly Mutant[] = [
  {
    name: "holders-of-partitions-not-looked-at",
    file: "tools/pci/storage.ts",
    find: "for (const part of partitions(machine, disk)) add(part, part, true);",
    replace: "",
    why: "a disk is taken whose partition is mounted, swap or part of an array",
    killers: [RULES],
    modes: "any",
  },
  {
    name: "mounts-by-number-alone",
    file: "tools/pci/storage.ts",
    find: "m.source === name || (number !== null && m.device === number)",
    replace: "number !== null && m.device === number",
    why: "Btrfs mounts have a device number of their own",
    killers: [RULES],
    modes: "any",
  },
  {
    name: "bonds-not-followed",
    file: "tools/pci/network.ts",
    find: 'if (entry.startsWith("lower_")) visit(entry.slice("lower_".length));',
    replace: "void entry;",
    why: "the interface under the default route's VLAN or bond is taken",
    killers: [RULES],
    modes: "any",
  },
  {
    name: "group-mates-not-looked-at",
    file: "tools/pci/rules.ts",
    find: "mate.driver !== null && !HARMLESS_DRIVERS.has(mate.driver)",
    replace: "mate.driver === VFIO",
    why: "a mate in the same IOMMU group loses its device",
    killers: [RULES],
    modes: "any",
  },
  {
    name: "journal-after-the-write",
    file: "tools/pci/bind.ts",
    find: "remember(machine, { address, driver, override, pid, started });",
    replace: "",
    why: "after a kill nobody knows the former driver",
    killers: [BIND],
    modes: "any",
  },
  {
    name: "earlier-boot-believed",
    file: "tools/pci/journal.ts",
    find: "return journal.boot === bootId(machine) ? journal.entries : [];",
    replace: "return journal.entries;",
    why: "a journal of an earlier boot takes devices from their drivers of today",
    killers: [BIND],
    modes: "any",
  },
  {
    name: "md-at-the-end-not-found",
    file: "tools/pci/signatures.ts",
    find: "const aligned = size - (size % (64 * KIB));",
    replace: "const aligned = size;",
    why: "a member of an array of the first format counts as empty",
    killers: [SIGNATURES],
    modes: "any",
  },
];
