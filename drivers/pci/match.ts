/**
 * Which devices a driver can drive: by class code, or by vendor and device.
 *
 * Owns the table of kinds, in the order of the slots in domain.ts.
 */

/** What a device has to be. Parts that are 0 do not count. */
export class Match {
  constructor(
    /** Configuration space 09h: base class, subclass, programming interface. */
    readonly classCode: u32,
    /** 00h and 02h. */
    readonly vendor: u16,
    readonly device: u16,
  ) {}

  fits(classCode: u32, vendor: u16, device: u16): bool {
    if (this.classCode != 0 && this.classCode != classCode) return false;
    return this.vendor == 0 || (this.vendor == vendor && this.device == device);
  }
}

/** PCI Code and ID Assignment: mass storage, non-volatile memory, NVM Express. */
const NVM_EXPRESS: u32 = 0x010802;
/** Intel 82599 10 Gigabit, SFP+. */
const INTEL: u16 = 0x8086;
const INTEL_82599: u16 = 0x10fb;

export const KINDS: StaticArray<Match> = [new Match(NVM_EXPRESS, 0, 0), new Match(0, INTEL, INTEL_82599)];
